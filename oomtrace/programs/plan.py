"""What there is to load and to attach on one kernel build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from oomtrace.kernel.probes import PROBES, Target
from oomtrace.programs.image import Image


@dataclass(frozen=True)
class Plan:
    """The programs, the functions that they enter, the symbols that they read, and what decoding must know.

    ``entries`` and ``addresses`` are those of a kernel whose ``_stext`` is at ``base``.
    """

    image: Image
    targets: Tuple[Optional[str], ...]  # in the order of probes.PROBES
    entries: Tuple[Optional[int], ...]  # likewise: where they lie
    type_ids: Tuple[Optional[int], ...]  # likewise: of those that can be entered directly
    addresses: Tuple[int, ...]  # in the order of the image's marks
    base: int
    facts: Dict[str, Any]  # facts.Facts as JSON has them: a start with a kept plan has no time to read them
    missing: Tuple[str, ...]
    origin: str  # where the kernel's structures are from
    lost: Tuple[str, ...]  # what cannot be told for want of BTF

    def at(self, base: int) -> Tuple[int, ...]:
        """The symbols' addresses where ``_stext`` is at ``base``."""
        return tuple(address + base - self.base for address in self.addresses)

    def targets_at(self, base: int) -> Tuple[Target, ...]:
        """All probes with the functions that they enter, where ``_stext`` is at ``base``."""
        entries = (None if entry is None else entry + base - self.base for entry in self.entries)
        return tuple(Target(*each) for each in zip(PROBES, self.targets, entries, self.type_ids))
