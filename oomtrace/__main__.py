"""``python3 -m oomtrace``: the same as the console command."""

from oomtrace.begin import main

main()
