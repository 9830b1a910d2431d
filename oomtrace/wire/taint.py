"""The taint part of the ``CPU:`` line (kernel/panic.c, print_tainted)."""

from __future__ import annotations

from typing import Optional

from oomtrace.facts import Facts

# In bit order: (letter, name); the names are printed from 6.10 on in a line of their own.
FLAGS = (
    ("P", "PROPRIETARY_MODULE"),
    ("F", "FORCED_MODULE"),
    ("S", "CPU_OUT_OF_SPEC"),
    ("R", "FORCED_RMMOD"),
    ("M", "MACHINE_CHECK"),
    ("B", "BAD_PAGE"),
    ("U", "USER"),
    ("D", "DIE"),
    ("A", "OVERRIDDEN_ACPI_TABLE"),
    ("W", "WARN"),
    ("C", "CRAP"),
    ("I", "FIRMWARE_WORKAROUND"),
    ("O", "OOT_MODULE"),
    ("E", "UNSIGNED_MODULE"),
    ("L", "SOFTLOCKUP"),
    ("K", "LIVEPATCH"),
    ("X", "AUX"),
    ("T", "RANDSTRUCT"),
    ("N", "TEST"),
    ("J", "FWCTL"),
)


def describe(mask: Optional[int], facts: Facts) -> tuple[Optional[str], Optional[str]]:
    """(text in the CPU line, text of the flags' own line or None); nothing if the mask is not known.

    How many flags the kernel defines shows: unset ones print a blank each.
    """
    if mask is None:
        return None, None
    if not mask:
        return "Not tainted", None
    known = FLAGS[: facts.taint_flags or len(FLAGS)]
    letters = "".join(
        letter if mask >> bit & 1 else "G" if bit == 0 else " " for bit, (letter, _) in enumerate(known)
    )
    names = ", ".join(f"[{letter}]={name}" for bit, (letter, name) in enumerate(known) if mask >> bit & 1)
    return "Tainted: " + letters, names if facts.taint_names else None
