"""The hooks that are shipped, run as --exec runs them: against servers on loopback."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oomtrace.model import Kill, Killed, Memcg, Sender, Sent, Signalled
from oomtrace.tell.exec import Exec
from tests import pages
from tests.events import made

HOOKS = Path(__file__).resolve().parents[2] / "deploy" / "hooks"
UID = "2b7a1f0e-33aa-4c70-9d22-0123456789ab"
POD_PATH = f"/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{'ab' * 32}.scope"
# As an API server lists them, with what the hook reads.
PODS = {"kind": "PodList", "items": [
    {"metadata": {"name": "other", "namespace": "shop", "uid": "99999999-33aa-4c70-9d22-0123456789ab"}},
    {"metadata": {"name": "orders-etl-7c9", "namespace": "shop", "uid": UID}},
]}


class Server(http.server.ThreadingHTTPServer):
    """Keeps what it is sent. ``refused``: paths that get another status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: "list[tuple[str, str, Any, str]]" = []
        self.refused: "dict[str, int]" = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        self.server.requests.append((self.command, self.path, body, self.headers.get("Authorization", "")))
        self.send_response(self.server.refused.get(self.path, 200))
        self.end_headers()
        self.wfile.write(json.dumps(PODS if self.command == "GET" else {}).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
        yield running
        running.shutdown()


def _of_the_page(name: str) -> "list[str]":
    """What docs/hooks.md gives to --exec for that hook."""
    (block,) = [block for block in pages.of("by") if block.page == "docs/hooks.md" and "webhook" in block.text]
    (line,) = [line for line in block.text.splitlines() if f"hooks/{name}" in line]
    words = shlex.split(line)
    command = shlex.split(words[words.index("--exec") + 1])
    assert command[0] == f"/usr/share/oomtrace/hooks/{name}"
    return [name, *command[1:]]


def _told(words: "list[str]", path: str = "/shop/orders") -> None:
    hook = Exec([str(HOOKS / words[0]), *words[1:]])
    hook.tell(made(kind="memcg", memcg=Memcg(path=path), kills=(Kill(7, "hog"),), victim_memcg=path), None)
    hook.close()


def test_a_webhook_gets_the_event(server: Server) -> None:
    _told([word.replace("https://alerts.example.org", server.address) for word in _of_the_page("webhook")])
    ((method, path, body, _),) = server.requests
    assert (method, path) == ("POST", "/oom") and body["event"]["report"]["memcg"]["path"] == "/shop/orders"


def test_a_webhook_that_is_refused_has_failed(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    server.refused["/oom"] = 403
    with pytest.raises(OSError, match="1 of 1 failed"):
        _told(["webhook", f"{server.address}/oom"])
    assert "403" in capfd.readouterr().err


def test_a_mail_has_the_headline_as_its_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/arguments; cat >{tmp_path}/mail\n")
    sendmail.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    _told(_of_the_page("mail"))
    head, _, body = (tmp_path / "mail").read_text().partition("\n\n")
    assert "To: root@example.org" in head and "Subject: /shop/orders " in head and json.loads(body)
    assert (tmp_path / "arguments").read_text() == "-t\n"


@pytest.fixture
def account(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("secret\n")
    for name, value in (("SERVICE_ACCOUNT", str(tmp_path)), ("KUBERNETES_API", server.address), ("NODE_NAME", "n1")):
        monkeypatch.setenv(name, value)


def test_a_pod_gets_an_event(server: Server, account: None) -> None:
    _told(["kubernetes-event"], POD_PATH)
    (_, listed, _, _), (method, path, body, token) = server.requests
    assert listed == "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1"
    assert (method, path, token) == ("POST", "/api/v1/namespaces/shop/events", "Bearer secret")
    assert body["involvedObject"]["name"] == "orders-etl-7c9" and body["reason"] == "OOMKilled"
    assert body["message"] and body["metadata"]["namespace"] == "shop"


def test_a_kill_by_another_has_another_reason(server: Server, account: None) -> None:
    hook = Exec([str(HOOKS / "kubernetes-event")])
    victim = Signalled(8, "hog", 9, True, 1, memcg=POD_PATH)
    hook.tell(made(kind="killed", killed=Killed(Sent.PROCESS, Sender(300, "earlyoom"), (victim,))), None)
    hook.close()
    (_, (_, path, body, _)) = server.requests
    assert path == "/api/v1/namespaces/shop/events" and body["reason"] == "Killed"
    assert body["message"] == "earlyoom (300) killed hog (8), with SIGKILL."


def test_an_oom_outside_of_pods_asks_nobody(server: Server, account: None) -> None:
    _told(["kubernetes-event"], "/system.slice/web.service")
    assert server.requests == []


def test_a_token_that_is_refused_has_failed(
    server: Server, account: None, capfd: pytest.CaptureFixture[str]
) -> None:
    server.refused["/api/v1/namespaces/shop/events"] = 403
    with pytest.raises(OSError, match="1 of 1 failed"):
        _told(["kubernetes-event"], POD_PATH)
    assert "403" in capfd.readouterr().err
