"""Let `vm` be imported however pytest is started; what a command line does to the process is undone."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True)
def _sigterm() -> Iterator[None]:
    """`python3 -m vm` ends in order on SIGTERM; a run of the tests ends as others do."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
