"""The kernel's lines as data: one row a line and range of kernels, with the kernel's own printf format.

A new line of the report is a ``kind`` in head.py, memory.py or tail.py, with its place in the ``STEPS`` of that file,
and the field of the model that it fills. Nothing else knows what kinds of lines there are.
"""

from .dialects import DIALECTS, KINDS, NEWEST, ORDER, RANK, ROWS, Dialect, arch_of, choose
from .rows import FILLED, PART, PRESENT, Into, Kind, PrintStep, Row

__all__ = [
    "DIALECTS", "FILLED", "KINDS", "NEWEST", "ORDER", "PART", "PRESENT", "RANK", "ROWS", "Dialect", "Into", "Kind",
    "Row", "PrintStep", "arch_of", "choose",
]
