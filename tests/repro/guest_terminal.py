"""Run in a guest: oomtrace run under a shell with job control. A line for each promise, as guest_run.sh has them."""

import os
import pty
import select
import time

PATIENCE_S = 120


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self):
        pid, self.terminal = pty.fork()
        if not pid:
            os.environ["PS1"] = ""
            os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, text):
        """What comes up to a text; all that came if it does not come."""
        said, deadline = "", time.monotonic() + PATIENCE_S
        while text not in said and time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 1)[0]:
                said += os.read(self.terminal, 4096).decode(errors="replace")
        return said


def tell(name, said, wanted):
    print(f"ok {name}" if wanted in said else f"not ok {name}: {said!r} instead of {wanted!r}")


def main():
    shell = Shell()
    shell.type("stty -echo; oomtrace run -q -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo termi''nal'\n")
    tell("terminal-is-the-commands", shell.wait_for("terminal"), "terminal")
    shell.type("oomtrace run -q -- sh -c 'echo be''gun; read word; echo got $word'\n")
    tell("begun", shell.wait_for("begun"), "begun")
    shell.type("\x1a")  # Ctrl-Z
    tell("stopped", shell.wait_for("Stopped"), "Stopped")
    shell.type("fg\n")
    shell.wait_for("oomtrace run")
    shell.type("this\n")
    tell("continued", shell.wait_for("got this"), "got this")
    shell.type("oomtrace run -q -- sh -c 'echo sleep''ing; exec sleep 1000'; echo sta''tus $?\n")
    shell.wait_for("sleeping")
    shell.type("\x03")  # Ctrl-C
    tell("interrupted", shell.wait_for("status 130"), "status 130")


main()
