"""Makes oomtrace.pyz a service of systemd, and undoes it.

The file is copied to where commands are, since a service cannot see home folders. With it go the unit and the manual
page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from oomtrace import shipped
from oomtrace.errors import EXIT_NOT_ROOT, OomtraceError

COMMAND = Path("usr/local/bin/oomtrace")
UNIT = Path("etc/systemd/system/oomtrace.service")
PAGE = Path("usr/local/share/man/man1/oomtrace.1")
SYSTEMD = Path("run/systemd/system")  # there while systemd is process 1
_PACKAGED = (Path("usr/lib/systemd/system/oomtrace.service"), Path("lib/systemd/system/oomtrace.service"))
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))  # what the unit's ProtectHome hides


def install(root: Path = Path("/")) -> Iterator[Path]:
    """Copies what belongs to the service, then starts it, now and at each boot; gives each file that was written.

    Raises OomtraceError if this is no oomtrace.pyz, root or systemd is missing, or the service does not start.
    """
    archive = _archive()
    _check(root)
    command = root / COMMAND
    if command.exists() and not zipfile.is_zipfile(command):
        raise OomtraceError(f"{command} is not oomtrace.pyz", "move it away first; it may be an installation's command")
    for path, data, mode in (
        (command, _for_this_python(archive.read_bytes()), 0o755),
        (root / UNIT, _unit().encode(), 0o644),
        (root / PAGE, shipped.read("man/oomtrace.1"), 0o644),
    ):
        _write(path, data, mode)
        yield path
    _systemctl("daemon-reload")
    _systemctl("enable", UNIT.name)
    _systemctl("restart", UNIT.name)


def remove(root: Path = Path("/")) -> Iterator[Path]:
    """Stops the service and removes what ``install`` wrote; gives each file that went. Captures stay."""
    _check(root)
    if (root / UNIT).exists():
        _systemctl("disable", "--now", UNIT.name)
    for path in (root / UNIT, root / PAGE, root / COMMAND):
        if path.exists() and (path != root / COMMAND or zipfile.is_zipfile(path)):
            path.unlink()
            yield path
    _systemctl("daemon-reload")


def _archive() -> Path:
    archive = shipped.archive()
    if archive is None:
        raise OomtraceError("only oomtrace.pyz can install itself as a service",
                            "make dist makes it; a package's service starts with: systemctl enable --now oomtrace")
    python = Path(sys.executable).resolve()
    if any(home in python.parents for home in _HOMES):
        raise OomtraceError(f"a service cannot use {python}, since it sees no home folders",
                            f"start this command with the system's Python: /usr/bin/python3 {archive} install-service")
    return archive


def _check(root: Path) -> None:
    if os.geteuid():
        raise OomtraceError("a service is installed or removed by root alone", "use sudo", EXIT_NOT_ROOT)
    if not (root / SYSTEMD).is_dir():
        raise OomtraceError("systemd does not run this machine",
                            "another init can start: oomtrace trace --quiet --journal --output /var/lib/oomtrace/")
    packaged = next((path for path in _PACKAGED if (root / path).exists()), None)
    if packaged:
        raise OomtraceError(f"a package has installed the service already: /{packaged}",
                            "start it with: systemctl enable --now oomtrace")


def _for_this_python(archive: bytes) -> bytes:
    """The archive behind a first line that names the Python that runs now: another may be too old."""
    start = archive.index(b"PK\x03\x04")
    return b"#!" + os.fsencode(sys.executable) + b"\n" + archive[start:]


def _unit() -> str:
    text = shipped.read("systemd/oomtrace.service").decode()
    return re.sub(r"^ExecStart=oomtrace ", f"ExecStart=/{COMMAND} ", text, flags=re.MULTILINE)


def _write(path: Path, data: bytes, mode: int) -> None:
    """By a rename: what runs keeps the file that it has."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OomtraceError(f"cannot write {path}: {error.strerror}") from error


def _systemctl(*words: str) -> None:
    command: Sequence[str] = ("systemctl", *words)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OomtraceError(f"{' '.join(command)} failed: {done.stderr.strip() or done.returncode}",
                            "journalctl -u oomtrace may say why")
