"""Whether the parts that the service needs can be used."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from structlog.typing import FilteringBoundLogger

from app.core.errors import AppError

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A part that can be asked: `probe` returns when the part can be used and raises when it cannot.

    A `required` part that is down makes the instance not ready; any other is reported only.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    required: bool = True


@dataclass(frozen=True, slots=True)
class PartHealth:
    """What a probe found; `latency_ms` is in milliseconds, `detail` is empty when the part is healthy."""

    name: str
    required: bool
    healthy: bool
    latency_ms: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthReport:
    parts: tuple[PartHealth, ...]
    draining: bool = False

    @property
    def ready(self) -> bool:
        return not self.draining and all(part.healthy for part in self.parts if part.required)


class Health:
    """Asks every part at once; `deadline` in seconds bounds the slowest."""

    def __init__(self, checks: Sequence[HealthCheck], deadline: float = 1.0) -> None:
        self._checks = tuple(checks)
        self._deadline = deadline
        self._draining = False

    def drain(self) -> None:
        """From now on the instance is not ready: load balancers stop sending before connections are closed."""
        self._draining = True

    async def examine(self) -> HealthReport:
        parts = await asyncio.gather(*(self._ask(check) for check in self._checks))
        return HealthReport(tuple(parts), self._draining)

    async def _ask(self, check: HealthCheck) -> PartHealth:
        started = time.perf_counter()
        detail = ""
        try:
            async with asyncio.timeout(self._deadline):
                await check.probe()
        except TimeoutError:
            detail = f"no answer within {self._deadline:g} s"
        except AppError as error:
            detail = error.detail
        except Exception as error:  # noqa: BLE001  a probe may fail in any way its vendor thought of
            # The text stays out of the answer: an unforeseen error may quote addresses and credentials.
            _log.warning("health_check_failed", part=check.name, exc_info=True)
            detail = f"failed with {type(error).__name__}; the log has the details"
        return PartHealth(check.name, check.required, not detail, (time.perf_counter() - started) * 1000, detail)
