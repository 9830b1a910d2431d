"""Make `vm` and `tests` importable however pytest is started; property tests are not judged by the machine's speed."""

import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

with suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("any machine", deadline=None)
    settings.load_profile("any machine")
