"""The same as fill.c in Python."""

import itertools
import time


def load(count):
    return [parse(value) for value in range(count)]


def parse(value):
    return bytes([65 + value]) * 30000


def cache():
    return "x" * 30000


def main():
    kept = []
    for turn in itertools.count():
        kept += load(3)
        kept.append(cache())
        if turn in ((8 << 20) // 120000, (48 << 20) // 120000):
            time.sleep(0.5)


main()
