"""A real PostgreSQL that came with the development dependencies, for a clone that has no server of its own.

`lease` shares one server between all processes of a clone: the first starts it, the last one's end stops it, whatever
way it ends. `PostgresServer` is the server itself, for tests that kill or freeze it.
"""

from app.db.embedded.errors import EmbeddedPostgresError
from app.db.embedded.leasing import lease
from app.db.embedded.server import Address, PostgresServer

__all__ = ["Address", "EmbeddedPostgresError", "PostgresServer", "lease"]
