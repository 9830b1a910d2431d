"""``-o FILE.html``, and what is said where the template engine is missing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from click.testing import CliRunner

from oomtrace.cli import group
from oomtrace.cli.report import Outlets, Sink
from oomtrace.cli.target import target
from tests.page.scenes import DEMO, captured

ROOT = Path(__file__).resolve().parents[2]


def traced(name: str) -> Any:
    return SimpleNamespace(event=captured(name), capture=lambda: b"")


def test_a_trace_writes_a_page_as_ooms_come(tmp_path: Path) -> None:
    said: list[str] = []
    page = tmp_path / "report.html"
    sink = Sink(io.StringIO(), Outlets("text", quiet=True, target=target(str(page))), said.append)
    sink.take(traced("demo"))
    assert page.read_text().count("<h1>/foo reached its memory limit") == 1
    assert page.stat().st_mode & 0o777 == 0o600
    sink.take(traced("tmpfs"))
    sink.close()
    assert page.read_text().count('class="packed"') == 2
    assert not said and sink.status == 0 and os.listdir(tmp_path) == ["report.html"]


def test_a_page_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "gone"
    folder.mkdir()
    sink = Sink(io.StringIO(), Outlets("text", quiet=True, target=target(str(folder / "report.html"))), said.append)
    folder.rmdir()
    sink.take(traced("demo"))
    assert said == ["oomtrace: cannot write the file of -o: No such file or directory"] and sink.status == 1


def test_read_writes_a_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = CliRunner().invoke(group, ["read", "-o", str(page), str(DEMO)], standalone_mode=False)
    assert done.exception is None and done.output == ""
    assert page.read_text().startswith("<!doctype html>")


def test_without_the_template_engine_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("as it was")
    block = "import sys; sys.modules['jinja2'] = None; from oomtrace.cli import main; main(sys.argv[1:])"
    for words in (["read", "-o", str(page), str(DEMO)], ["read", "--format", "html", str(DEMO)]):
        done = subprocess.run([sys.executable, "-c", block, *words], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == ("oomtrace: a page needs Jinja2, which is not installed\n"
                               "  hint: apt install python3-jinja2, or pip install jinja2\n")
    assert page.read_text() == "as it was"


def test_templates_are_found_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (ROOT / "oomtrace").rglob("*"):
            if path.suffix in (".py", ".css", ".js", ".html"):
                archive.write(path, path.relative_to(ROOT))
    done = subprocess.run([sys.executable, "-c", "import oomtrace.cli; oomtrace.cli.main()", "read", "--format", "html",
                           str(DEMO)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "all.zip")},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<h1>/foo reached its memory limit" in done.stdout
