"""Why a module is neither written nor removed."""

from app.core.startup import StartupRefused


class ScaffoldError(StartupRefused):
    """Nothing was changed; the message says why and what to do instead."""
