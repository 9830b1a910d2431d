"""The OpenTelemetry SDK for a guest, which has no network to get it from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def sdk(folder: Path) -> Path:
    """The OpenTelemetry SDK as it is installed here, in a folder of its own. It serves any Python from 3.10 on: its one
    part in C that is needed, protobuf's, is of the stable ABI."""
    google = pytest.importorskip("google.protobuf", reason="oomtrace[otlp] is missing")
    packages = Path(google.__file__).parents[2]
    wanted = ("opentelemetry*", "google", "protobuf*", "typing_extensions.py", "requests", "urllib3", "certifi", "idna",
              "charset_normalizer")
    for path in (path for pattern in wanted for path in packages.glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder)
    return folder
