"""What packages say of a release, made from its two sources: the version in ``oomtrace/__init__.py``, and CHANGELOG.md.

    release.py version               0.1.0
    release.py debian-changelog      debian/changelog
    release.py spec                  oomtrace.spec, with the version and the changelog in it
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAINTAINER = re.compile(r"^Maintainer: (.+)$", re.MULTILINE)
_RELEASE = re.compile(r"^## (\S+) \((\d{4}-\d\d-\d\d|unreleased)\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """One release of CHANGELOG.md; ``changes`` are its items without markup, each on one line."""

    version: str
    date: datetime
    changes: tuple[str, ...]


def version(root: Path = ROOT) -> str:
    """The version of the code."""
    found = _VERSION.search((root / "oomtrace" / "__init__.py").read_text())
    if found is None:
        raise SystemExit("release: no __version__ in oomtrace/__init__.py")
    return found[1]


def releases(root: Path = ROOT) -> list[Release]:
    """All of CHANGELOG.md, the newest first. Exits if the newest is not the version of the code."""
    text = (root / "CHANGELOG.md").read_text()
    found = [Release(number, _date(day, root), _changes(items)) for number, day, items in _RELEASE.findall(text)]
    if not found or found[0].version != version(root):
        raise SystemExit(f"release: CHANGELOG.md does not begin with version {version(root)}")
    return found


def _date(day: str, root: Path) -> datetime:
    """That of the release. What is not released yet has that of its newest commit, or $SOURCE_DATE_EPOCH."""
    if day != "unreleased":
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        command = ["git", "-c", f"safe.directory={root}", "-C", str(root), "log", "-1", "--format=%ct"]
        try:
            seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            seconds = str((root / "CHANGELOG.md").stat().st_mtime)  # an unpacked archive
    return datetime.fromtimestamp(int(float(seconds)), timezone.utc)


def _changes(items: str) -> tuple[str, ...]:
    found = re.findall(r"^- (.*?)(?=^- |\Z)", items, re.MULTILINE | re.DOTALL)
    return tuple(" ".join(item.replace("`", "").split()) for item in found)


def maintainer(root: Path = ROOT) -> str:
    """Name and address, as debian/control has them."""
    return str(MAINTAINER.findall((root / "debian" / "control").read_text())[0])


def debian_changelog(root: Path = ROOT) -> str:
    """The releases in Debian's form."""
    entries = []
    for release in releases(root):
        changes = "".join(f"  * {_wrapped(change, 76)}\n" for change in release.changes)
        signed = f" -- {maintainer(root)}  {release.date:%a, %d %b %Y %H:%M:%S +0000}\n"
        entries.append(f"oomtrace ({release.version}) unstable; urgency=medium\n\n{changes}\n{signed}")
    return "\n".join(entries)


def _wrapped(text: str, width: int) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n    ".join(lines)


def spec(root: Path = ROOT) -> str:
    """packaging/oomtrace.spec with its version and its changelog."""
    text = (root / "packaging" / "oomtrace.spec").read_text()
    entries = []
    for release in releases(root):
        changes = "".join(f"- {_wrapped(change, 76)}\n" for change in release.changes).replace("%", "%%")
        entries.append(f"* {release.date:%a %b %d %Y} {maintainer(root)} - {release.version}-1\n{changes}")
    return text.replace("@VERSION@", version(root)).replace("@CHANGELOG@", "\n".join(entries))


MADE = {"version": version, "debian-changelog": debian_changelog, "spec": spec}

if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in MADE:
        sys.exit(__doc__)
    print(MADE[sys.argv[1]]().rstrip("\n"))
