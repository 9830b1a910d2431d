"""What a Python runs that is given oomtrace.pyz. Every Python must be able to read this file, the old ones too."""

import sys

if sys.version_info < (3, 9):
    found = ".".join(str(number) for number in sys.version_info[:2])
    sys.stderr.write("oomtrace: needs Python 3.9 or newer, and {} is {}\n".format(sys.executable, found))
    sys.stderr.write("  hint: start it with a newer one, such as: python3.11 oomtrace.pyz\n")
    sys.exit(15)

from oomtrace.begin import main

main()
