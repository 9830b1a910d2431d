"""The OpenTelemetry SDK for a guest, which has no network to get it from."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

GUEST_PYTHON = (3, 11)  # of Debian 12, the guest's


def sdk(folder: Path) -> Path:
    """The OpenTelemetry SDK as it is installed here, in a folder of its own."""
    google = pytest.importorskip("google.protobuf", reason="oomtrace[otlp] is missing")
    if sys.version_info[:2] != GUEST_PYTHON:
        pytest.skip("the guest's Python is another one than ours: the SDK that is here has parts in C")
    packages = Path(google.__file__).parents[2]
    wanted = ("opentelemetry*", "google", "protobuf*", "typing_extensions.py", "requests", "urllib3", "certifi", "idna",
              "charset_normalizer")
    for path in (path for pattern in wanted for path in packages.glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder)
    return folder
