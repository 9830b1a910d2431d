"""Takes memory in a function that the tests know, and gives it back."""

import mmap
import sys


def fill():
    page = mmap.mmap(-1, 1 << 20)
    page.write(bytes(1 << 20))
    page.close()


def main():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        # again
        fill()


main()
