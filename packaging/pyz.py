"""Makes ``oomtrace.pyz``: oomtrace, click, PyYAML and Jinja2 in one file that any Python from 3.9 on runs.

``python3 packaging/pyz.py TARGET``, with a Python that has pip. The same sources give the same bytes: members are
sorted, have one date and one mode, and are stored as they are, since compressed bytes differ between versions of zlib.
"""

from __future__ import annotations

import configparser
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
START = Path(__file__).with_name("start.py")
_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that zip can tell
_REGULAR_FILE = 0o100644


def main(arguments: list[str]) -> int:
    """Write the file named by the one argument."""
    target = Path(arguments[0])
    with tempfile.TemporaryDirectory() as folder:
        download(Path(folder))
        wheels = sorted(Path(folder).glob("*.whl"))
        members = {"__main__.py": START.read_bytes(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
        members.update(own())
        for wheel in wheels:
            members.update(taken(wheel))
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, members)
    print(f"{target}: {target.stat().st_size >> 10} KiB")
    return 0


def download(folder: Path) -> None:
    """The wheels that are carried, each the very file that its hash names."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
               "--require-hashes", "--only-binary=:all:", "--python-version=3.9", "--platform=manylinux2014_x86_64"]
    done = subprocess.run([*command, "-d", str(folder), "-r", str(REQUIREMENTS)], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr.rstrip()}\npyz: pip cannot get the wheels that {REQUIREMENTS} names")


def own(root: Path = ROOT) -> dict[str, bytes]:
    """What setup.cfg says that an installation has, by its path there."""
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    folders = dict(line.split(" = ") for line in setup["options"]["package_dir"].split("\n") if line)
    members = {}
    for package in setup["options"]["packages"].split():
        folder = root / (folders.get(package) or package.replace(".", "/"))
        patterns = setup["options.package_data"].get(package, "").replace(",", " ").split()
        for pattern in ["*.py", *patterns]:
            for path in folder.glob(pattern):
                members[f"{package.replace('.', '/')}/{path.relative_to(folder)}"] = path.read_bytes()
    return members


def taken(wheel: Path) -> dict[str, bytes]:
    """A wheel's Python, and its licence under ``licenses/``."""
    members = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            kept = _kept(name)
            if kept:
                members[kept] = archive.read(name)
    return members


def _kept(name: str) -> Optional[str]:
    top, _, rest = name.partition("/")
    if top.endswith(".dist-info"):
        file = rest.rpartition("/")[2]
        return f"licenses/{top.partition('-')[0]}/{file}" if file.startswith("LICENSE") else None
    return name if name.endswith(".py") and top != "_yaml" else None  # _yaml: for what is compiled


def write(target: Path, members: dict[str, bytes]) -> None:
    """The archive, behind the line that lets a shell start it. Places in it are counted from its own beginning: so that
    line may be exchanged for a longer or shorter one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(members.items()):
            information = zipfile.ZipInfo(name, _DATE)
            information.create_system = 3  # Unix, wherever it is built
            information.external_attr = _REGULAR_FILE << 16
            archive.writestr(information, data)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(b"#!/usr/bin/env python3\n" + packed.getvalue())
    temporary.chmod(0o755)
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
