#!/usr/bin/python3 -I
"""The command oomtrace where its code lies in a folder of its own."""

import sys

sys.path.insert(0, "/usr/share/oomtrace")

from oomtrace.begin import main

main()
