"""What a process manager, a load balancer and an operator ask."""

import os
import time
from typing import Annotated, Literal

import psutil
from fastapi import APIRouter, Depends, Response, status

from app.core.errors import Forbidden
from app.core.health import Health, HealthReport, PartHealth
from app.core.http.openapi import problems
from app.core.http.state import from_state
from app.core.settings import Environment, Settings
from app.core.types import Schema


class Alive(Schema):
    status: Literal["ok"] = "ok"


class PartRead(Schema):
    """`latency_ms` is how long the part took to answer, `detail` what is wrong with it."""

    name: str
    required: bool
    healthy: bool
    latency_ms: float
    detail: str


class Readiness(Schema):
    """Degraded means that a part is down without which the service still works."""

    status: Literal["ready", "degraded", "not ready", "draining"]
    parts: tuple[PartRead, ...]


class ProcessRead(Schema):
    """`memory_resident` in bytes, `uptime` in seconds, `cpu_percent` of one core since the process began."""

    process_id: int
    uptime: float
    memory_resident: int
    cpu_percent: float
    threads: int


class HealthDetail(Readiness):
    process: ProcessRead


_Health = Annotated[Health, Depends(from_state("health", Health))]
_Settings = Annotated[Settings, Depends(from_state("settings", Settings))]

router = APIRouter(prefix="/health", tags=["health"])


@router.get("", operation_id="read_health")
@router.get("/live")
async def read_liveness() -> Alive:
    """The process runs and answers; restart it when this fails."""
    return Alive()


@router.get("/ready", responses={status.HTTP_503_SERVICE_UNAVAILABLE: {"model": Readiness}})
async def read_readiness(health: _Health, response: Response) -> Readiness:
    """The process and all that it needs can serve; send it no requests while this fails."""
    report = await health.examine()
    if not report.ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        response.headers["retry-after"] = "1"
    return Readiness(status=_word(report), parts=_parts(report.parts))


@router.get("/detail", responses=problems(Forbidden))
async def read_health_detail(health: _Health, settings: _Settings) -> HealthDetail:
    """Readiness with the memory and CPU of this process; open in the local environment only."""
    if settings.app.env is not Environment.LOCAL:
        raise Forbidden("The process's figures are shown in the local environment only.")
    report = await health.examine()
    return HealthDetail(status=_word(report), parts=_parts(report.parts), process=_process())


def _word(report: HealthReport) -> Literal["ready", "degraded", "not ready", "draining"]:
    if report.draining:
        return "draining"
    if not report.ready:
        return "not ready"
    return "ready" if all(part.healthy for part in report.parts) else "degraded"


def _parts(parts: tuple[PartHealth, ...]) -> tuple[PartRead, ...]:
    return tuple(PartRead.model_validate(part) for part in parts)


def _process() -> ProcessRead:
    process = psutil.Process(os.getpid())
    with process.oneshot():
        uptime = time.time() - process.create_time()
        times = process.cpu_times()
        return ProcessRead(
            process_id=process.pid,
            uptime=uptime,
            memory_resident=process.memory_info().rss,
            cpu_percent=100 * (times.user + times.system) / max(uptime, 0.001),
            threads=process.num_threads(),
        )
