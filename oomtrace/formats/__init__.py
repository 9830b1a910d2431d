"""The kernel's lines as data: one row a line and range of kernels, with the kernel's own printf format."""

from .dialects import DIALECTS, KINDS, NEWEST, ORDER, ROWS, Dialect, Step, arch_of, choose
from .rows import FILLED, PRESENT, Kind, Row

__all__ = [
    "DIALECTS", "FILLED", "KINDS", "NEWEST", "ORDER", "PRESENT", "ROWS", "Dialect", "Kind", "Row", "Step", "arch_of",
    "choose",
]
