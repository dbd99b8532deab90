"""How spans leave the process: by a thread of their own, out of a bounded queue, with a deadline at the end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from app.core.settings import OtelSettings
from app.core.telemetry.redaction import redacted

_log = structlog.stdlib.get_logger(__name__)


class Delivery(SpanProcessor):
    """Sends spans while it is open; lives as long as its application, which may be started again."""

    def __init__(self, settings: OtelSettings) -> None:
        self._settings = settings
        self._outbox: _Outbox | None = None

    def on_end(self, span: ReadableSpan) -> None:
        outbox = self._outbox
        if outbox is not None and span.context is not None and span.context.trace_flags.sampled:
            outbox.put(span)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Sends until the block ends, and then what is left, for `stop_seconds` at most."""
        self._outbox = outbox = _Outbox(self._settings)
        try:
            yield
        finally:
            self._outbox = None
            await outbox.close(self._settings.stop_seconds)


class _Outbox(SpanExporter):
    """A bounded queue and the thread that empties it; spans that find it full are dropped and counted.

    `put` is called by whoever ends a span, `export` by the thread.
    """

    def __init__(self, settings: OtelSettings) -> None:
        self._endpoint = settings.endpoint
        self._capacity = settings.bsp_max_queue_size
        self._exporter = _exporter(settings)
        self._lock = threading.Lock()
        self._waiting = 0
        self._lost = 0
        self._failing = False
        self._closed = False
        self._batches = BatchSpanProcessor(
            self,
            max_queue_size=settings.bsp_max_queue_size,
            schedule_delay_millis=settings.bsp_schedule_delay,
            max_export_batch_size=settings.bsp_max_export_batch_size,
        )

    def put(self, span: ReadableSpan) -> None:
        # Counted here, because the SDK's own queue drops without saying how many.
        with self._lock:
            if self._waiting >= self._capacity:
                self._lost += 1
                return
            self._waiting += 1
        self._batches.on_end(span)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export([redacted(span) for span in spans])
        finally:
            self._settle(len(spans), sent=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    async def close(self, seconds: float) -> None:
        """Sends what is left, within `seconds`, and says how much was lost.

        In a daemon thread: one of asyncio's own that a collector keeps waiting would keep the process.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def close() -> None:
            self._batches.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # the loop did not wait that long
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=close, name="close-traces", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            # Ends the call that hangs, and with it the thread.
            self._exporter.shutdown()
        with self._lock:
            lost = self._lost + self._waiting
        if lost:
            _log.warning("traces_lost", spans=lost)

    def _settle(self, spans: int, *, sent: bool) -> None:
        """Takes `spans` off the queue, and tells when sending begins to fail and when it works again."""
        with self._lock:
            self._waiting -= spans
            if not sent:
                self._lost += spans
            lost = self._lost
            if sent and self._failing:
                self._lost = 0
        if self._closed:
            return
        if sent and self._failing:
            _log.warning("traces_delivered_again", spans_lost=lost)
        elif not sent and not self._failing:
            _log.warning("traces_not_delivered", endpoint=self._endpoint)
        self._failing = not sent


def _exporter(settings: OtelSettings) -> SpanExporter:
    """Each brings a client library of its own, so only the one that is asked for is loaded."""
    certificate = settings.exporter_otlp_certificate
    if settings.exporter_otlp_protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter  # noqa: PLC0415

        return HttpExporter(
            endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces",
            certificate_file=str(certificate) if certificate else None,
            headers=settings.headers,
            timeout=settings.exporter_otlp_timeout,
            compression=HttpCompression(settings.exporter_otlp_compression),
        )
    import grpc  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter  # noqa: PLC0415

    gzip = settings.exporter_otlp_compression == "gzip"
    return GrpcExporter(
        endpoint=settings.endpoint,
        insecure=settings.endpoint.startswith("http://"),
        credentials=grpc.ssl_channel_credentials(certificate.read_bytes() if certificate else None),
        headers=settings.headers,
        timeout=settings.exporter_otlp_timeout,
        compression=grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression,
    )
