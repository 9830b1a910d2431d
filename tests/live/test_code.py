"""Whose code charged, in guests: programs whose shares are known run into their limit under ``oomtrace run``."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from oomtrace import why
from oomtrace.model import Code, CodeFrame, CodeSample, NoStack, OomEvent
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
    """By the program's own function that is innermost, bytes; those without one under ""."""
    found: Counter[str] = Counter()
    for sample in code.samples:
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
    """What percent of all that was charged the two functions have."""
    assert event.code is not None and event.code.samples
    found, total = functions(event.code), event.code.charged_bytes
    first, second = (
        100 * sum(size for name, size in found.items() if name.endswith(function)) / total
        for function in FUNCTIONS[language]
    )
    return first, second


def fill(tmp_path: Path, kernel: str, *languages: str) -> "dict[str, OomEvent]":
    """The OOM of each program."""
    names = made(tmp_path / "code", kernel == "5.10", *languages)  # its libc is older than that of here
    spec = RunSpec(kernel=kernel, timeout=600, put=[tmp_path / "code"], get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, f"sh tests/live/guest_code.sh {' '.join(names)}"))
    said = result.stderr.decode("utf-8", "replace")
    assert result.status == 0, said  # of --verify
    found = {}
    for name in [*names, "verified"]:
        data = (tmp_path / "out" / f"{name}.oom").read_bytes()
        (found[name],) = capture.events(capture.load(io.BytesIO(data)))
    return found


@pytest.mark.vm
@pytest.mark.long
def test_a_program_in_c(tmp_path: Path) -> None:
    found = fill(tmp_path, "6.1", "c")
    for event in found.values():  # under run, and traced with --stacks on
        first, second = shares(event, "c")
        assert first + second >= FOUND and abs(first - 75) <= POINTS, functions(event.code)  # type: ignore[arg-type]
        assert event.code is not None and event.code.asker is not None
        asked = [frame.name for frame in event.code.walk(event.code.asker.stack)]
        assert "main" in asked and asked[-1] not in FUNCTIONS["c"]
    finding = why.explain(found["fill_c"]).finding("code")
    assert finding is not None and "parse_row" in finding.sentence


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "7.3"])
def test_programs_in_other_languages(tmp_path: Path, kernel: str) -> None:
    python = ("py",) if kernel in ("6.1", "6.12") else ()  # CPython 3.11 and 3.13; before 3.11 its C code alone
    found = fill(tmp_path, kernel, "c", "cc", "rs", "go", *python)
    wrong = {}
    for name, event in found.items():
        language = {"fill_c": "c", "verified": "c", "fill_cc": "cc", "fill_rs": "rs", "fill_go": "go",
                    "fill.py": "py"}[name]
        first, second = shares(event, language)
        if first + second < FOUND or abs(first - 75) > POINTS:
            wrong[name] = functions(event.code).most_common(8)  # type: ignore[arg-type]
    assert not wrong


ODD = {
    "32": ("fill.c", "-m32", "-static"),
    "static": ("fill.c", "-static"),
    "static_pie": ("fill.c", "-static-pie"),
    "c": ("fill.c",),
    "jit": ("jit.c",),
}


@pytest.mark.vm
@pytest.mark.long
def test_odd_programs_and_a_kernel_thread(tmp_path: Path) -> None:
    """32 bits, static, static-pie, deleted, in other namespaces, made at run time, gone before the OOM."""
    folder = tmp_path / "code"
    folder.mkdir()
    for name, (source, *options) in ODD.items():
        command = [*COMPILERS["c"], *options, "-o", folder / f"fill_{name}", HERE / "code" / source]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 or name == "32", done.stderr  # that needs gcc-multilib
    shutil.copy(HERE / "code" / "fill.py", folder)
    spec = RunSpec(timeout=900, put=[folder], get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, "sh tests/live/guest_code_odd.sh"))
    assert result.status == 0, result.stderr.decode("utf-8", "replace")  # of --verify
    captures = sorted((tmp_path / "out").glob("*.oom"))
    events = [event for path in captures for event in capture.events(capture.load(io.BytesIO(path.read_bytes())))]
    found = {event.report.memcg.path if event.report.memcg else "": event for event in events}
    by_thread = found.pop("").code
    assert by_thread is not None and by_thread.asker is not None and by_thread.asker.none is NoStack.KERNEL_THREAD
    assert by_thread.victim is not None and by_thread.victim.stack is not None
    expected = {"/static", "/static-pie", "/deleted", "/namespaces", "/jit", "/python", "/exited"}
    assert set(found) - {"/bits32"} == expected
    wrong = {}
    for path, event in found.items():
        first, second = shares(event, "py" if path == "/python" else "c")
        if first + second < FOUND or abs(first - 75) > POINTS:
            wrong[path] = functions(event.code).most_common(8)  # type: ignore[arg-type]
    assert not wrong


@pytest.mark.vm
@pytest.mark.long
def test_a_program_that_is_in_a_container_alone(tmp_path: Path) -> None:
    made(tmp_path / "code", True, "c")
    spec = RunSpec(variant="packages", memory=2 << 30, timeout=900, put=[tmp_path / "code"],
                   get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, "sh tests/live/guest_code_container.sh"))
    assert result.status == 0, result.stderr.decode("utf-8", "replace")
    (event,) = capture.events(capture.load(io.BytesIO((tmp_path / "out" / "fill_c.oom").read_bytes())))
    first, second = shares(event, "c")
    assert first + second >= FOUND and abs(first - 75) <= 3 * POINTS  # a tenth of its limit: few samples
