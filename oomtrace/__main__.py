"""``python3 -m oomtrace``: the same as the console command."""

from oomtrace.cli import main

main()
