"""How start-up is refused."""


class StartupRefused(SystemExit):
    """The process must not start; `str(error)` says why and how to mend it.

    A SystemExit, because it is raised inside servers and tools that we do not own (`uvicorn --factory`, Alembic, a
    REPL): each of them ends on it with exit code 1 and the message on standard error, without a traceback.
    """
