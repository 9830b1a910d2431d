"""The manual page is that of the commands as they are, and shells complete them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from oomtrace import cli
from oomtrace.cli import manual

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "man" / "oomtrace.1"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == manual.page(), "make man"


def test_every_command_and_option_is_in_it() -> None:
    page = manual.page().replace("\\-", "-")
    for name in cli.COMMANDS:
        assert f".SS oomtrace {name} " in page
        command = cli.group.get_command(click.Context(cli.group), name)
        assert command is not None
        for param in command.params:
            assert not isinstance(param, click.Option) or all(f"\\fB{option}\\fR" in page for option in param.opts)


def test_roff_is_escaped() -> None:
    assert manual._escaped(".x -a \\ …") == "\\&.x \\-a \\e \\[u2026]"
    assert not re.search(r"[^\x00-\x7f]", manual.page())


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
def test_groff_has_no_complaint() -> None:
    done = subprocess.run(["groff", "-man", "-ww", "-z", str(PAGE)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def _completed(words: str, at: int) -> str:
    newer = importlib.util.find_spec("click.shell_completion")  # from click 8 on
    instruction = "bash_complete" if newer else "complete_bash"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_OOMTRACE_COMPLETE": instruction}
    environment.update(COMP_WORDS=words, COMP_CWORD=str(at))
    command = [sys.executable, "-m", "oomtrace"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout


def test_shells_complete_commands_and_options() -> None:
    assert {"trace", "read", "check"} <= set(re.findall(r"\w+", _completed("oomtrace ", 1)))
    assert "--timeout" in _completed("oomtrace trace --ti", 2)
