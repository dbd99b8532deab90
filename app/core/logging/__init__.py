"""Everything that the process writes: one chain of processors, then a stream and files that never hold a request up."""

from app.core.logging.setup import configure_logging, open_logging

__all__ = ["configure_logging", "open_logging"]
