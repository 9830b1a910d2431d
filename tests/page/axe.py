"""axe-core, the accessibility checker, from npm: its one file is fetched once and kept in the virtual environment."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.14.1"
KEPT = Path(__file__).resolve().parents[2] / ".venv" / f"axe-{VERSION}.min.js"


def script() -> str:
    """Its text. Raises OSError or CalledProcessError where npm cannot get it."""
    if not KEPT.exists():
        with tempfile.TemporaryDirectory() as folder:
            npm = shutil.which("npm")
            if npm is None:
                raise FileNotFoundError("npm is not installed")
            subprocess.run([npm, "pack", "--silent", f"axe-core@{VERSION}"], cwd=folder, check=True, timeout=120,
                           capture_output=True)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
                member = tar.extractfile("package/axe.min.js")
                assert member is not None
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_bytes(member.read())
    return KEPT.read_text()
