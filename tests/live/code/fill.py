"""The same as fill.c in Python."""

import itertools
import sys
import time


def load(count):
    return [parse(value) for value in range(count)]


def parse(value):
    return bytes([65 + value]) * 30000


def cache():
    return "x" * 30000


def main(rest_s, megabytes):
    kept = []
    for turn in range((megabytes << 20) // 120000) if megabytes else itertools.count():
        kept += load(3)
        kept.append(cache())
        if turn in ((8 << 20) // 120000, (48 << 20) // 120000):
            time.sleep(rest_s)


# How many seconds it rests, and how many MiB it takes; none: until there is no more.
main(float(sys.argv[1]) if sys.argv[1:] else 0.5, int(sys.argv[2]) if sys.argv[2:] else 0)
