"""Fills memory in functions that the tests know."""

import sys


class Catalog:
    def fill(self, rows):
        found = 0
        for row in range(rows):
            found += row
        return found


def load(catalog):
    return list(map(lambda rows: catalog.fill(rows), [1_000_000] * 10))


def shelves():
    catalog = Catalog()
    while True:
        yield load(catalog)


def main():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in shelves():
        pass


main()
