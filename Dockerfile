# The application as it is deployed. It holds no configuration: settings come from the environment or from secret files.
#
#   docker build --tag trellis .
#   docker run --env-file prod.env --publish 8000:8000 --read-only --cap-drop ALL --stop-timeout 45 trellis
#   docker run --env-file prod.env trellis migrate
#
# What follows the name is a command of `python -m app`. The stop time-out is longer than APP_DRAIN_SECONDS and
# APP_STOP_SECONDS together; Docker's own of 10 s may cut requests off.

ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
WORKDIR /srv/trellis

# By themselves and first, so that a change of the code does not install them again. The environment has no pip of its
# own, because it is what will be shipped. Wheels only: nothing of a dependency runs here, and no compiler is needed.
COPY requirements/base.lock /tmp/base.lock
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --root-user-action ignore --only-binary :all: --require-hashes --requirement /tmp/base.lock \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

# Compiled, because a container that may write nothing would compile everything at every start; and unchecked, because
# the files of an image do not change, while their times do when it is copied from one place to another.
COPY alembic.ini ./
COPY alembic alembic
COPY static static
COPY templates templates
COPY app app
RUN python -m compileall -q --invalidation-mode unchecked-hash app alembic


FROM ${PYTHON}

# Scanners would go on reporting the advisories of a pip that nothing here uses. Removed as files, because pip refuses
# to uninstall itself where a distribution's package brought it.
RUN cd "$(python -c 'import pip; print(pip.__path__[0])')/.." && rm -rf pip pip-*.dist-info \
 && cd "$(dirname "$(command -v pip)")" && rm -f pip pip3 pip3.*

COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/trellis /srv/trellis
WORKDIR /srv/trellis

# APP_ENV: who forgets to say where this runs gets the strict answer, not the developer's open one.
# PYTHONUNBUFFERED: the last words before a crash reach the log.
# PYTHONFAULTHANDLER: so does the stack when a C extension crashes.
# PYTHONDONTWRITEBYTECODE: all is compiled, and the files belong to another user.
ENV PATH=/opt/venv/bin:$PATH \
    APP_ENV=prod \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    PYTHONDONTWRITEBYTECODE=1

# Root owns the files, and this user, which needs no name, can only read them. A number, because Kubernetes cannot tell
# of a name whether it is root (runAsNonRoot).
USER 10001:10001

EXPOSE 8000

# Any answer but a server's error is a sign of life; APP_ALLOWED_HOSTS may well refuse the name 127.0.0.1. Without curl,
# and not through urllib, which would ask a configured proxy. Migrating before serving may take the start period.
HEALTHCHECK --interval=10s --timeout=3s --start-period=150s --retries=3 \
    CMD ["python", "-IS", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/health/live'); sys.exit(c.getresponse().status >= 500)"]

# What Docker and Kubernetes send by default; stated because the drain depends on it.
STOPSIGNAL SIGTERM

ENTRYPOINT ["python", "-m", "app"]
CMD ["serve", "--host", "0.0.0.0"]
