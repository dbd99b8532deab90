"""The server in production: one process, drained before it stops."""

import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.core.settings import AppSettings, Settings
from app.main import create_app


class _DrainingServer(uvicorn.Server):
    """On the first signal it says that it is not ready, goes on serving for `drain_seconds`, and only then stops.

    A load balancer that has not noticed yet would otherwise send requests to a closed port. The second signal does not
    wait for that, the third not even for open requests. However it is stopped, it has done as told: exit code 0, where
    uvicorn would end by the signal itself.
    """

    def __init__(self, config: uvicorn.Config, application: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._application = application
        self._drain_seconds = drain_seconds
        self._draining = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature is uvicorn's
        if self.should_exit:
            self.force_exit = True
        elif self._draining or not self.started:
            self.should_exit = True
        else:
            self._draining = True
            self._application.state.health.drain()
            # A signal handler may run between any two steps of the event loop, so it must not schedule on it.
            timer = threading.Timer(self._drain_seconds, self._stop)
            timer.daemon = True
            timer.start()

    def _stop(self) -> None:
        self.should_exit = True


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves the application on `host` and `port` until SIGTERM or Ctrl-C."""
    application = create_app(settings)
    _DrainingServer(_config(application, settings.app, host, port), application, settings.app.drain_seconds).run()


def _config(application: FastAPI, settings: AppSettings, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.stop_seconds,
    )
