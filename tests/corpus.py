"""Logs of real OOMs that are not part of the project: reports that others published, and the VMs' own logs.

``OOMTRACE_CORPUS`` names the folder; without it, ``shared/corpus`` beside the checkout. Its parts are ``real`` and
``vm``. Where there is none, logs of our own stand in for it (``logs``). Tests that need more are skipped then, and the
end of the run says so (conftest.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "corpus"
FOLDER = Path(os.environ.get("OOMTRACE_CORPUS") or _BESIDE)
needs_corpus = pytest.mark.skipif(not FOLDER.is_dir(), reason="no corpus of real logs (OOMTRACE_CORPUS names it)")


def files(*parts: str) -> list[Path]:
    """The files of these parts; none where there is no corpus."""
    return sorted(path for part in parts for path in FOLDER.glob(f"{part}/*"))


def own() -> list[Path]:
    """Kernel logs that are part of the project: one OOM on every kernel, and some of other kinds."""
    tests = Path(__file__).resolve().parent
    return sorted([*tests.glob("fixtures/data/*.kmsg"), *tests.glob("wire/data/*.log.gz")])


def kernel_logs() -> list[Path]:
    """Records of /dev/kmsg of the VMs, each with an OOM; where there is no corpus, our own."""
    return files("vm") or [path for path in own() if path.suffix == ".kmsg"]


def logs() -> list[Path]:
    """Those of the corpus; where there is none, our own."""
    return files("real", "vm") or own()
