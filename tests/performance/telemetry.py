"""What tracing costs: the same application without it, with every tenth request traced, and with all of them.

`python -m tests.performance.telemetry` (Linux, two cores) fails when a tenth costs more than 15 % of the throughput, or
all more than 35 %. The servers share the first core, everything else the second; they take turns within each round, in an order left to chance.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx2
import typer

from app.core.settings import PostgresAddress
from tests.sample.application import create_table
from tests.support.otlp import SERVER, Receiver, grpc_receiver
from tests.support.postgres import TestServer, create_database, test_server
from tests.support.server import ServerProcess, server_process
from tests.support.waiting import eventually

_NOTES: Final = "/api/v1/sample-notes"
_CONNECTIONS: Final = 32
_SERVERS, _OTHERS = {0}, {1}  # cores
_LARGEST_LOSS: Final = {"10 %": 0.15, "100 %": 0.35}
_QUIET: Final = 0.3  # seconds
_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Turn:
    """Requests answered in `seconds`, and what the server computed for them, in seconds of CPU."""

    requests: int
    seconds: float
    computed: float

    @property
    def throughput(self) -> float:
        return self.requests / self.seconds

    @property
    def microseconds(self) -> float:
        return 1e6 * self.computed / self.requests


class _Connection(asyncio.Protocol):
    """Sends one request after another until it is told to stop, and counts those that were answered with 200."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._going = True
        self.answered = 0
        self.finished = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        assert head.startswith(b"HTTP/1.1 200 "), head
        self._received = b""
        self.answered += 1
        assert self._transport is not None
        if self._going:
            self._transport.write(self._request)
        else:
            self._transport.close()

    def stop(self) -> None:
        self._going = False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.finished.set_result(None)
        else:
            self.finished.set_exception(exc)


async def _load(server: ServerProcess, path: str, seconds: float) -> Turn:
    address = urlsplit(server.url)
    request = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    assert address.hostname
    assert address.port
    host, port = address.hostname, address.port
    loop = asyncio.get_running_loop()
    before, begun = _computed(server.process.pid), time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: _Connection(request), host, port))[1] for _ in range(_CONNECTIONS)
    ]
    await asyncio.sleep(seconds)
    for connection in connections:
        connection.stop()
    await asyncio.gather(*(connection.finished for connection in connections))
    answered = sum(connection.answered for connection in connections)
    return Turn(answered, time.perf_counter() - begun, _computed(server.process.pid) - before)


def _settle(servers: Iterable[ServerProcess]) -> None:
    """Waits until none of them computes: who took a turn still sends its spans, on the core that they share."""

    def is_quiet() -> bool:
        before = [_computed(server.process.pid) for server in servers]
        time.sleep(_QUIET)
        return before == [_computed(server.process.pid) for server in servers]

    eventually(is_quiet, 30)


def _computed(process_id: int) -> float:
    """Seconds of CPU that the process has used, in all its threads."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _pin(process_id: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{process_id}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _variants(receiver: Receiver) -> dict[str, dict[str, str]]:
    traced = {"OTEL_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    tenth = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    return {"off": {}, "10 %": traced | tenth, "100 %": traced}


def _measure(address: PostgresAddress, folder: Path, rounds: int, seconds: float) -> dict[str, Sequence[Turn]]:
    with ExitStack() as stack:
        receiver = stack.enter_context(grpc_receiver())
        servers: dict[str, ServerProcess] = {}
        for name, environ in _variants(receiver).items():
            log = folder / f"{len(servers)}.log"
            process = server_process(
                address,
                log,
                factory="tests.sample.application:create_app",
                environ=environ | {"LOG_FORMAT": "json", "OTEL_BSP_SCHEDULE_DELAY": "200"},
            )
            servers[name] = stack.enter_context(process)
            _pin(servers[name].process.pid, _SERVERS)
        created = httpx2.post(f"{servers['off'].url}{_NOTES}", json={"title": "measured"})
        path = created.headers["location"]
        for server in servers.values():
            asyncio.run(_load(server, path, 1))
        turns: dict[str, list[Turn]] = {name: [] for name in servers}
        for _ in range(rounds):
            # By chance: in any fixed order one of them would always follow the same other.
            for name in random.sample(list(servers), len(servers)):
                _settle(servers.values())
                turns[name].append(asyncio.run(_load(servers[name], path, seconds)))
        for name in ("10 %", "100 %"):
            servers[name].process.terminate()
            servers[name].process.wait(10)
        _tell_spans(receiver, turns)
        return {name: tuple(measured) for name, measured in turns.items()}


def _tell_spans(receiver: Receiver, turns: dict[str, list[Turn]]) -> None:
    """Says how many arrived.

    Raises:
        AssertionError: fewer than half of those that were made, so that what was measured was not the sending.
    """
    due = sum(turn.requests for turn in turns["100 %"]) + sum(turn.requests for turn in turns["10 %"]) / 10
    arrived = len(receiver.of(SERVER))
    typer.echo(f"{arrived} requests arrived as traces, {due:.0f} were due beside those of the warm-up")
    assert arrived > due / 2


def main(
    rounds: Annotated[int, typer.Option(help="How often each takes its turn.", min=1)] = 8,
    seconds: Annotated[float, typer.Option(help="How long a turn takes.", min=0.1)] = 2,
) -> None:
    """Measure what tracing costs."""
    os.sched_setaffinity(0, _OTHERS)
    with test_server() as server, TemporaryDirectory() as folder:
        address = asyncio.run(_database(server))
        turns = _measure(address, Path(folder), rounds, seconds)
    too_slow = False
    for name, measured in turns.items():
        ratio = median(turn.throughput / off.throughput for turn, off in zip(measured, turns["off"], strict=True))
        computed = median(turn.microseconds for turn in measured)
        throughput = median(turn.throughput for turn in measured)
        typer.echo(f"{name:>5}: {throughput:6.0f} requests/s, {computed:5.0f} us of CPU each, {ratio:.3f} of off")
        too_slow |= 1 - ratio > _LARGEST_LOSS.get(name, 1)
    if too_slow:
        raise typer.Exit(1)


async def _database(server: TestServer) -> PostgresAddress:
    address = await create_database(server, "telemetry")
    await create_table(address)
    return address


if __name__ == "__main__":
    typer.run(main)
