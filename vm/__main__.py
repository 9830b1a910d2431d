"""``python3 -m vm``."""

import sys

from .cli import main

sys.exit(main())
