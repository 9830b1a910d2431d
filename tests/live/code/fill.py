"""The same as fill.c in Python."""


def load(count):
    return [parse(value) for value in range(count)]


def parse(value):
    return bytes([65 + value]) * 30000


def cache():
    return "x" * 30000


def main():
    kept = []
    while True:
        kept += load(3)
        kept.append(cache())


main()
