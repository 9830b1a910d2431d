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


SHELLS = ("bash", "zsh", "fish")


def _asked(shell: str, what: str, **environment: str) -> str:
    newer = importlib.util.find_spec("click.shell_completion")  # from click 8 on
    instruction = f"{shell}_{what}" if newer else f"{what}_{shell}"
    full = {**os.environ, "PYTHONPATH": str(ROOT), "_OOMTRACE_COMPLETE": instruction, **environment}
    command = [sys.executable, "-m", "oomtrace"]
    return subprocess.run(command, env=full, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_complete_commands_and_options(shell: str) -> None:
    def completed(words: str, at: int) -> str:
        which = words.split(" ")[at] if shell == "fish" else str(at)  # fish gives the word itself
        return _asked(shell, "complete", COMP_WORDS=words, COMP_CWORD=which)

    assert {"trace", "read", "check"} <= set(re.findall(r"\w+", completed("oomtrace ", 1)))
    assert "--timeout" in completed("oomtrace trace --ti", 2)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script(shell: str) -> None:
    script = _asked(shell, "source")
    assert "_OOMTRACE_COMPLETE" in script and "oomtrace" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)
