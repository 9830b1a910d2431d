"""A prompt in a guest: this terminal, joined to the guest's serial console (``python3 -m vm run --shell``)."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import STATUS_USAGE, VmError

CONSOLE = "/dev/ttyS0"
LEAVE = b"\x1d"  # Ctrl-]
TIMEOUT_S = 86400.0
"""A person is not hurried."""
WELCOME = """\
--- the checkout is in /root/oomtrace, and `oomtrace` runs it
--- what the OOM killer shall be able to kill: adj0 COMMAND (the prompt itself has oom_score_adj -1000)
--- exit (or Ctrl-D) ends the VM in order, Ctrl-] at once; nothing that you change in it is kept"""


@dataclass(frozen=True)
class Terminal:
    """Where keys come from, and where the console goes: file descriptors."""

    keys: int
    screen: int

    def read(self) -> bytes:
        """The keys that wait; none at the end. Raises KeyboardInterrupt at Ctrl-]."""
        try:
            data = os.read(self.keys, 4096)
        except OSError:  # a terminal that has gone
            return b""
        if LEAVE in data:
            raise KeyboardInterrupt
        return data

    def show(self, data: bytes) -> None:
        """What the console says, at once."""
        while data:
            data = data[os.write(self.screen, data):]


@contextmanager
def terminal() -> Iterator[Terminal]:
    """This process's own terminal, as it is wanted: each key goes to the guest, Ctrl-C too. VmError if it has none."""
    keys = sys.stdin.fileno()
    if not os.isatty(keys):
        raise VmError("--shell needs a terminal, and standard input is not one", "leave --shell out", STATUS_USAGE)
    before = termios.tcgetattr(keys)
    tty.setraw(keys)
    try:
        yield Terminal(keys, sys.stdout.fileno())
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def command(words: Sequence[str]) -> str:
    """The line for the guest's shell: first the command on its console, if there is one, and then a prompt there."""
    size = shutil.get_terminal_size()
    wanted = words[0] if len(words) == 1 else shlex.join(words)
    lines = [
        f"stty sane rows {size.lines} cols {size.columns}",
        f"export TERM={shlex.quote(os.environ.get('TERM') or 'vt100')}",
        *([f"{wanted}\necho \"--- status $?\""] if words else []),
        f"echo {shlex.quote(WELCOME)}",
        "exec bash -i",
    ]
    script = "\n".join(lines)
    # The harness's shell starts commands in the background, so they ignore Ctrl-C: env takes that back.
    return f"exec env --default-signal setsid --ctty --wait sh -c {shlex.quote(script)} <{CONSOLE} >{CONSOLE} 2>&1"
