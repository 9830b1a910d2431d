"""Whose code charged, in guests: programs whose shares are known run into their limit under ``oomtrace run``."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from oomtrace import why
from oomtrace.code import RawCode
from oomtrace.model import Charge, Code, CodeFrame, CodeSample, NoStack, OomEvent
from oomtrace.plain import from_plain
from oomtrace.wire import capture
from vm import boot
from vm.spec import RunSpec

HERE = Path(__file__).resolve().parent
# Three quarters in the first, one in the second: within so many points, and no more in neither.
FUNCTIONS = {
    "c": ("parse_row", "make_cache"),
    "cc": ("shop::Catalog::load", "shop::Catalog::cache"),
    "rs": ("catalog::load", "catalog::cache"),
    "go": ("main.filled", "main.cache"),
    "py": ("parse", "cache"),
}
POINTS = 5.0
FOUND = 95.0
COMPILERS = {
    "c": ("gcc", "-O2", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-funwind-tables"),
    "cc": ("g++", "-O2", "-fomit-frame-pointer", "-static-libstdc++", "-static-libgcc"),
    "rs": ("rustc", "-O", "-C", "target-feature=+crt-static"),
    "go": ("go", "build"),
}


def made(folder: Path, static: bool, *languages: str) -> list[str]:
    """The programs in these languages, compiled here, as the guests have no compiler; their names."""
    more = ["-static"] if static else []
    folder.mkdir()
    names = []
    for language in languages:
        source, compiler = HERE / "code" / f"fill.{language}", COMPILERS.get(language)
        if compiler is None:
            shutil.copy(source, folder)
            names.append(source.name)
        elif shutil.which(compiler[0]):
            options = more if compiler[0] in ("gcc", "g++") else []
            subprocess.run([*compiler, *options, "-o", folder / f"fill_{language}", source], check=True)
            names.append(f"fill_{language}")
    return names


def functions(code: Code) -> "Counter[str]":
    """By the program's own function that is innermost, bytes; those without one under "". Of the process that charged
    most: what began it, and a kernel thread that collects huge pages, are others."""
    by_process: Counter[int] = Counter()
    for sample in code.samples:
        by_process[sample.tgid] += sample.charged_bytes
    ((tgid, _),) = by_process.most_common(1)
    found: Counter[str] = Counter()
    for sample in code.samples:
        if sample.tgid == tgid:
            found[_own(code, sample)] += sample.charged_bytes
    return found


def _own(code: Code, sample: CodeSample) -> str:
    def is_own(frame: CodeFrame) -> bool:
        place = (frame.source if frame.language is not None else frame.module) or ""
        named = frame.function is not None
        return named and ("/fill" in place or place == "/tmp/gone" or frame.name.startswith("jit:"))

    own = [frame.name for frame in code.walk(sample.stack) if is_own(frame)]
    known = {name for pair in FUNCTIONS.values() for name in pair}
    return next((name for name in own if any(name.endswith(one) for one in known)), own[0] if own else "")


def shares(event: OomEvent, language: str) -> "tuple[float, float]":
    """What percent of what the process charged the two functions have."""
    assert event.code is not None and event.code.samples
    found = functions(event.code)
    total = sum(found.values())
    first, second = (
        100 * sum(size for name, size in found.items() if name.endswith(function)) / total
        for function in FUNCTIONS[language]
    )
    return first, second


def fill(tmp_path: Path, kernel: str, *languages: str) -> "dict[str, OomEvent]":
    """The OOM of each program, by the name of its capture. More files are left in ``out``."""
    names = made(tmp_path / "code", kernel == "5.10", *languages)  # its libc is older than that of here
    if kernel == "5.10":
        stripped(tmp_path)
    spec = RunSpec(kernel=kernel, timeout=2400, put=[tmp_path / "code"], get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, f"sh tests/live/guest_code.sh {' '.join(names)}"))
    said = result.stderr.decode("utf-8", "replace")
    assert result.status == 0, said  # of --verify
    found = {}
    for path in sorted((tmp_path / "out").glob("*.oom")):
        (found[path.stem],) = capture.events(capture.load(io.BytesIO(path.read_bytes())))
    assert set(found) - {"stripped"} == {*names, "verified"}
    return found


def stripped(tmp_path: Path) -> None:
    """A program without names, and beside it, not for the guest, what debuginfod has of it."""
    program = tmp_path / "stripped"
    subprocess.run([*COMPILERS["c"], "-g", "-static", "-o", program, HERE / "code" / "fill.c"], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", program, tmp_path / "debuginfo"], check=True)
    subprocess.run(["strip", program], check=True)
    shutil.copy(program, tmp_path / "code")


def read(path: Path, form: str, **environment: str) -> bytes:
    """What ``oomtrace read`` makes of a capture on this machine."""
    command = [sys.executable, "-m", "oomtrace", "read", "--format", form, str(path)]
    return subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True).stdout


def folded_shares(text: str, language: str) -> "tuple[float, float]":
    """As ``shares``, of folded stacks."""
    lines = [line.rpartition(" ") for line in text.splitlines()]
    total = sum(int(size) for _, _, size in lines)
    first, second = (
        100 * sum(int(size) for stack, _, size in lines if function in stack) / total
        for function in FUNCTIONS[language]
    )
    return first, second


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "7.2", "7.3"])
def test_programs(tmp_path: Path, kernel: str) -> None:
    """Under run, and one traced with --stacks on; then what else is said of them, here and on another machine."""
    python = ("py",) if kernel != "5.10" else ()  # CPython 3.11, 3.13, and 3.14 beside 7.2; 3.9 shows its C code alone
    found = fill(tmp_path, kernel, "c", "cc", "rs", "go", *python)
    by_name = {name: name.partition("fill")[2].lstrip("_.") or "c" for name in found if name != "stripped"}
    wrong = {}
    for name, language in by_name.items():
        first, second = shares(found[name], language)
        if first + second < FOUND or abs(first - 75) > POINTS:
            wrong[name] = functions(found[name].code).most_common(8)  # type: ignore[arg-type]
    assert not wrong
    for name in ("fill_c", "verified"):
        code = found[name].code
        assert code is not None and code.asker is not None
        asked = [frame.name for frame in code.walk(code.asker.stack)]
        assert "main" in asked and asked[-1] not in FUNCTIONS["c"]
    finding = why.explain(found["fill_c"]).finding("code")
    assert finding is not None and "parse_row" in finding.sentence
    peak_is_right(tmp_path / "out")
    formats_are_right(tmp_path / "out")
    if kernel == "5.10":
        resolved_elsewhere(tmp_path, found["stripped"])


def peak_is_right(out: Path) -> None:
    """A command that ended without an OOM."""
    said = (out / "peak.txt").read_text()
    assert "oomtrace: no OOM" in said and "parse_row" in said and "load_catalog" in said
    first, second = folded_shares((out / "peak.folded").read_text(), "c")
    assert first + second >= FOUND and abs(first - 75) <= POINTS
    assert by_pprof(out / "peak.pb.gz")["parse_row"] == pytest.approx(first, abs=POINTS)


def formats_are_right(out: Path) -> None:
    """Of a capture, read here, where nothing but the capture is."""
    first, second = folded_shares(read(out / "fill_c.oom", "folded").decode(), "c")
    assert first + second >= FOUND and abs(first - 75) <= POINTS
    profile = out / "read.pb.gz"
    profile.write_bytes(read(out / "fill_c.oom", "pprof"))
    assert by_pprof(profile)["parse_row"] == pytest.approx(first, abs=POINTS)


def by_pprof(path: Path) -> "dict[str, float]":
    """By function, what percent was charged by it or by what it called, as Go's pprof reads it."""
    if shutil.which("go") is None:
        pytest.skip("there is no go (Debian: golang-go)")
    done = subprocess.run(["go", "tool", "pprof", "-top", "-cum", "-unit=B", str(path)], capture_output=True, text=True,
                          check=True)
    assert "Type: charged" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.count("%") == 3 and "flat%" not in line]
    return {row[5]: float(row[4].rstrip("%")) for row in rows}


def resolved_elsewhere(tmp_path: Path, event: OomEvent) -> None:
    """Here the program is not, but debuginfod has it by its build id. What the guest did not know is told from its
    stacks."""
    out = tmp_path / "out"
    assert event.code is not None and not functions(event.code).keys() & {"parse_row", "make_cache"}
    assert b"parse_row" not in read(out / "stripped.oom", "folded")
    with debuginfod(tmp_path) as url:
        cache = str(tmp_path / "cache")
        text = read(out / "stripped.oom", "folded", DEBUGINFOD_URLS=url, DEBUGINFOD_CACHE_PATH=cache).decode()
    first, second = folded_shares(text, "c")
    assert first + second >= FOUND and abs(first - 75) <= POINTS


@contextmanager
def debuginfod(folder: Path) -> "Iterator[str]":
    """A server of one program and of its debug information."""
    where = f"/buildid/{build_id_of(folder / 'stripped')}"
    files = {f"{where}/executable": folder / "stripped", f"{where}/debuginfo": folder / "debuginfo"}

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files[self.path].read_bytes() if self.path in files else b""
            self.send_response(200 if data else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def build_id_of(path: Path) -> str:
    """As readelf has it."""
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: (\w+)", notes).group(1)  # type: ignore[union-attr]


ODD: "dict[str, tuple[str, ...]]" = {
    "32": ("fill.c", "-m32", "-static"),
    "static": ("fill.c", "-static"),
    "static_pie": ("fill.c", "-static-pie"),
    "c": ("fill.c",),
    "jit": ("jit.c",),
    "crowd": ("crowd.c", "-pthread"),
    "kinds": ("kinds.c",),
}
SECRET = b"secret-on-the-stack"


@pytest.mark.vm
@pytest.mark.long
def test_odd_programs_and_a_kernel_thread(tmp_path: Path) -> None:
    """32 bits, static, static-pie, deleted, replaced, in other namespaces, made at run time, gone before the OOM; a
    victim that is not the one that asked."""
    folder = tmp_path / "code"
    folder.mkdir()
    for name, (source, *options) in ODD.items():
        command = [*COMPILERS["c"], *options, "-o", f"{folder}/fill_{name}", f"{HERE}/code/{source}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 or name == "32", done.stderr  # that needs gcc-multilib
    shutil.copy(HERE / "code" / "fill.py", folder)
    spec = RunSpec(timeout=2400, put=[folder], get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, "sh tests/live/guest_code_odd.sh"))
    assert result.status == 0, result.stderr.decode("utf-8", "replace")  # of --verify
    out = tmp_path / "out"
    assert set((out / "modes").read_text().split()) == {"600"}
    captures = sorted(set(out.glob("*.oom")) - set(out.glob("kept*.oom")))
    what_was_on_the_stacks(captures, out / "kept.oom")
    events = [event for path in captures for event in capture.events(capture.load(io.BytesIO(path.read_bytes())))]
    # The first in each: where it did not free enough at once, the kernel kills again.
    found = {event.report.memcg.path if event.report.memcg else "": event for event in reversed(events)}
    by_thread = found.pop("").code
    assert by_thread is not None and by_thread.asker is not None and by_thread.asker.none is NoStack.KERNEL_THREAD
    assert by_thread.victim is not None and by_thread.victim.stack is not None
    a_victim_that_did_not_ask(found.pop("/crowd"))
    each_kind(found.pop("/kinds"))
    expected = {"/static", "/static-pie", "/deleted", "/replaced", "/namespaces", "/jit", "/python", "/exited"}
    assert set(found) - {"/bits32"} == expected
    wrong = {}
    for path, event in found.items():
        first, second = shares(event, "py" if path == "/python" else "c")
        # Of Python, fewer samples are taken where it is not the command of run.
        if first + second < FOUND or abs(first - 75) > (2 if path == "/python" else 1) * POINTS:
            wrong[path] = functions(event.code).most_common(8)  # type: ignore[arg-type]
    assert not wrong


def a_victim_that_did_not_ask(event: OomEvent) -> None:
    """Each has its own stack: the process that asked, the victim's first thread, and that which had charged last."""
    code = event.code
    assert code is not None and code.asker and code.victim and code.victim_charged
    assert code.victim.pid == code.victim.tgid == code.victim_charged.tgid != code.asker.tgid
    assert code.victim_charged.pid != code.victim.pid
    threads = (code.asker, code.victim, code.victim_charged)
    in_the_middle = [[frame.name for frame in code.walk(thread.stack)] for thread in threads]
    for names, function in zip(in_the_middle, ("ask_for_more", "wait_for_all", "rest")):
        assert function in names, in_the_middle
    assert all(why.explain(event).finding(name) is not None for name in ("asked_in", "was_in"))


def each_kind(event: OomEvent) -> None:
    """What a function charged, by the kind of which it is."""
    code, found = event.code, Counter[tuple[str, str]]()
    assert code is not None
    for sample in code.samples:
        found[_own(code, sample), str(sample.kind)] += sample.charged_bytes
    for kind in (str(kind) for kind in Charge):
        total = sum(size for (function, _), size in found.items() if function == kind)
        assert total >= 12 << 20 and found[kind, kind] >= 0.9 * total, found


def what_was_on_the_stacks(captures: "list[Path]", kept: Path) -> None:
    """That is in a capture only where --stack-memory asked for it."""
    raw = from_plain(RawCode, capture.load(io.BytesIO(kept.read_bytes())).raw)
    assert raw.victim_charged is not None and SECRET in raw.victim_charged.stack.stack
    for path in captures:
        data = path.read_bytes()
        assert capture.load(io.BytesIO(data)).raw is None and SECRET not in data


@pytest.mark.vm
@pytest.mark.long
def test_a_program_that_is_in_a_container_alone(tmp_path: Path) -> None:
    made(tmp_path / "code", True, "c")
    spec = RunSpec(variant="packages", memory=2 << 30, timeout=2400, put=[tmp_path / "code"],
                   get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, "sh tests/live/guest_code_container.sh"))
    assert result.status == 0, result.stderr.decode("utf-8", "replace")
    (event,) = capture.events(capture.load(io.BytesIO((tmp_path / "out" / "fill_c.oom").read_bytes())))
    first, second = shares(event, "c")
    assert first + second >= FOUND and abs(first - 75) <= 2 * POINTS  # a tenth of its limit: few samples
