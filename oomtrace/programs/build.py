"""``make programs``: compiles the programs that oomtrace comes with. Needs bcc and root, but no kernel in particular.

The same sources and the same bcc make the same bytes, on whatever kernel they are compiled, and for whatever
architecture.
"""

from __future__ import annotations

import sys
from pathlib import Path

from oomtrace.kernel import header
from oomtrace.programs import compiler, prebuilt, source
from oomtrace.programs.image import Image, mark


def build() -> str:
    """The text of the file. Raises ImportError without bcc, and what bcc raises."""
    import bcc
    from bcc.version import __version__ as version

    asked = prebuilt.asked()
    text = header.text(asked, (), mark) + source.source()
    made = compiler.image_of(bcc, text)
    image = Image(made.maps, made.programs, tuple(map(str, asked)))
    return prebuilt.dump(image, f"bcc {version}")


def main() -> int:
    """Write the file, or with ``-`` print it."""
    made = build()
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(made)
    else:
        path = Path(__file__).resolve().parent.parent / prebuilt.NAME
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(made)
        fresh.replace(path)  # whole, for whoever reads it meanwhile
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
