"""Log records for a collector: decoded by OpenTelemetry's own protocol classes, as a collector does."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.model import Kill, Memcg, PageCounter
from oomtrace.tell import otlp
from oomtrace.tell.common import beside, otlp_sender
from tests.events import made

logs = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2", reason="oomtrace[otlp] is missing")

EVENT = made(
    kind="memcg", memcg=Memcg(path="/system.slice/web.service", memory=PageCounter(2048, 2048, 5)),
    kills=(Kill(7, "hog\udcff", uid=33, anon_rss_kb=1000),), victim_memcg="/system.slice/web.service",
    host="db1", machine_id="0123",
)


class Collector(http.server.ThreadingHTTPServer):
    """Decodes what it is sent. ``status`` is what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.tries = 200, 0
        self.taken: "list[tuple[dict[str, Any], Any]]" = []  # resource, record

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tries += 1
        if self.server.status == 200 and self.path == otlp.PATH:
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for group in logs.ExportLogsServiceRequest.FromString(body).resource_logs:
                resource = _values(group.resource.attributes)
                self.server.taken += [(resource, record) for scope in group.scope_logs for record in scope.log_records]
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def _values(attributes: Any) -> "dict[str, Any]":
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
        yield running
        running.shutdown()


def _until(true: "Callable[[], bool]") -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_record_has_the_names_of_the_conventions(collector: Collector) -> None:
    channel = otlp.opened(collector.address)
    channel.tell(EVENT, None)
    _until(lambda: len(collector.taken) > 0)
    channel.close()
    ((resource, record),) = collector.taken
    assert resource["service.name"] == "oomtrace" and (resource["host.name"], resource["host.id"]) == ("db1", "0123")
    found = _values(record.attributes)
    assert (found["process.pid"], found["process.user.id"], found["oomtrace.memcg.limit_kb"]) == (7, 33, 2048)
    assert found["process.executable.name"] == "hog\\xff" and found["oomtrace.unit"] == "web.service"
    assert "container.id" not in found and record.severity_text == "WARN" and record.event_name == "oomtrace.oom"
    assert record.body.string_value.startswith("/system.slice/web.service") or "web.service" in record.body.string_value


def test_a_collector_that_comes_back_gets_all_of_it(
    collector: Collector, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.status = 500
    monkeypatch.setattr(otlp_sender, "TRY_S", 1.0)
    channel = otlp.opened(collector.address)
    for _ in range(3):
        channel.tell(EVENT, None)
    _until(lambda: collector.tries >= 1)
    collector.status = 200
    # One whose answer came too late for the sender is sent again.
    _until(lambda: len({record.time_unix_nano for _, record in collector.taken}) == 3)
    channel.close()
    assert capfd.readouterr().err.count("oomtrace: --otlp: ") == 1, "one warning"


def test_a_token_that_is_refused_is_told_once(collector: Collector, capfd: pytest.CaptureFixture[str]) -> None:
    collector.status = 401
    channel = otlp.Otlp(collector.address + otlp.PATH, end_s=1.0)
    channel.tell(EVENT, None)
    channel.tell(EVENT, None)
    said: list[str] = []

    def is_told() -> bool:
        said.append(capfd.readouterr().err)
        return "401" in "".join(said) or "Unauthorized" in "".join(said)

    _until(is_told)
    with pytest.raises(OSError, match="of the events"):
        channel.close()
    said.append(capfd.readouterr().err)
    assert "".join(said).count("oomtrace: --otlp: ") <= 2, "one warning, and that it was not taken"


def test_a_collector_that_is_down_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "QUEUE", 3)
    channel = otlp.Otlp("http://127.0.0.1:1/v1/logs", end_s=0.5)
    dropped = 0
    for _ in range(10):
        try:
            channel.tell(EVENT, None)
        except OSError:
            dropped += 1
    assert dropped == 7
    with pytest.raises(OSError, match="dropped"):
        channel.close()


@pytest.mark.parametrize("url", ["", "collector:4318", "ftp://x/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(OomtraceError, match="--otlp"):
        otlp.opened(url)
