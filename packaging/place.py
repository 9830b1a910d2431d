"""Lays what an installation has into a folder, as the packages' builders want it: ``place.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import pyz


def main(arguments: list[str]) -> int:
    """Write the files of setup.cfg's packages below the folder that the one argument names."""
    for name, data in sorted(pyz.own().items()):
        path = Path(arguments[0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
