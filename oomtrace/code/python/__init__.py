"""CPython 3.11 to 3.14: which functions of a program the interpreter runs, from its memory alone."""

from .layout import Layout as Layout
from .layout import layout_of as layout_of
from .layout import meant as meant
from .lines import line_of as line_of
from .walk import Memory as Memory
from .walk import codes as codes
from .walk import frames as frames
from .walk import unpacked as unpacked
