"""What is packed once and looked at by many tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """oomtrace.pyz of this checkout."""
    target = tmp_path_factory.mktemp("dist") / "oomtrace.pyz"
    subprocess.run([sys.executable, "packaging/pyz.py", str(target)], cwd=ROOT, check=True, timeout=300)
    return target
