"""docs/contributing.md: what it says to write is written into a copy of the checkout, and its tests are run.

A block says in its first line where it belongs: ``file PATH``, or ``into PATH, WHERE LINE`` (see ``_WHERE``).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

from oomtrace.why import registry
from tests import pages

PAGE = (pages.REPOSITORY / "docs" / "contributing.md").read_text()
_BLOCK = re.compile(r"^ *```(?:python|yaml)(?P<label>[^\n]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_WHERE = {"after": "{line}{new}", "before": "{new}{line}", "in place of": "{new}"}
_INTO = re.compile(rf" into (\S+), ({'|'.join(_WHERE)}) (.*)")
_RUN = ("tests/text/test_text_pressure.py", "tests/why/test_why_young.py", "tests/why/test_why_registry.py",
        "tests/repro/test_parse.py::test_shipped[mine]")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with all that the page says."""
    copy = tmp_path_factory.mktemp("checkout")
    for room in ("oomtrace", "tests", "vm"):
        shutil.copytree(pages.REPOSITORY / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "images"))
    for found in _BLOCK.finditer(PAGE):
        label, text = found["label"], dedent(found["text"])
        into = _INTO.fullmatch(label)
        if into is None:
            path = copy / label.removeprefix(" file ")
            assert not path.exists(), label
            path.write_text(text)
            continue
        path, line = copy / into[1], into[3] + "\n"
        before = path.read_text()
        assert before.count("\n" + line) == 1, f"{label}: there is no such line"
        new = indent(text, " " * (len(line) - len(line.lstrip())))
        path.write_text(before.replace("\n" + line, "\n" + _WHERE[into[2]].format(line=line, new=new)))
    return copy


def _python(checkout: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=checkout, capture_output=True, text=True, check=False,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_worked_examples(checkout: Path) -> None:
    said = _python(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *_RUN)
    assert "passed" in said and "skipped" not in said
    assert '"pressure_level"' in _python(checkout, "-m", "oomtrace", "schema")
    _python(checkout, "-c", "from vm import matrix; matrix.find('7.9')")


def test_ranks_of_advice_are_free() -> None:
    """A rank is taken once (tests/why/test_why_registry.py)."""
    named = {int(rank) for rank in re.findall(r'@advice\("\w+", (\d+)\)', PAGE)}
    assert named and not named & {advice.rank for advice in registry.rules()}
