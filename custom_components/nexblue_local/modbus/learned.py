"""What was learned of a charger, which holds for as long as its firmware."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from .codec import Layout
from .layout import LayoutDetector
from .registers import Identity

type Span = tuple[int, int]
"""First address and number of registers of a read request."""

SLOWER: Final = 0.5
"""Seconds by which a first answer has to take longer to be worth storing."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What is stored of a charger with a version of its firmware and register map."""

    firmware_version: str | None = None
    mapping_version: int | None = None
    layout: Layout | None = None
    """The byte layout, if it was certain."""
    refused_reads: frozenset[Span] = frozenset()
    """Read requests that have to be split."""
    largest_read: int = 0
    """The most registers that were read at once."""
    first_answer: float = 0.0
    """The longest time in seconds until the first answer on a connection."""

    def is_about(self, identity: Identity) -> bool:
        """Return whether a charger has the versions that this was learned of."""
        return (self.firmware_version, self.mapping_version) == (
            identity.firmware_version,
            identity.mapping_version,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "firmware_version": self.firmware_version,
            "mapping_version": self.mapping_version,
            "layout": self.layout,
            "refused_reads": sorted(map(list, self.refused_reads)),
            "largest_read": self.largest_read,
            "first_answer": self.first_answer,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self | None:
        """Return what was stored, None if it is damaged."""
        try:
            firmware, mapping = data["firmware_version"], data["mapping_version"]
            layout = data["layout"]
            return cls(
                firmware_version=None if firmware is None else str(firmware),
                mapping_version=None if mapping is None else int(mapping),
                layout=None if layout is None else Layout(layout),
                refused_reads=frozenset(
                    (int(start), int(count)) for start, count in data["refused_reads"]
                ),
                largest_read=int(data["largest_read"]),
                first_answer=float(data["first_answer"]),
            )
        except AttributeError, KeyError, TypeError, ValueError:
            return None


class Learning:
    """Learns about one charger, over all of its connections."""

    def __init__(self) -> None:
        """Initialize without knowledge."""
        self.layout = LayoutDetector()
        self._restore(Learned())
        self._is_identified = False

    def _restore(self, learned: Learned) -> None:
        self._versions = (learned.firmware_version, learned.mapping_version)
        self.layout.reset(learned.layout)
        self.refused_reads = set(learned.refused_reads)
        self._largest_read = learned.largest_read
        self._first_answer = learned.first_answer

    def restore(self, learned: Learned) -> None:
        """Restore what was learned before; it is forgotten with other versions."""
        self._restore(learned)
        self._is_identified = True

    @property
    def learned(self) -> Learned:
        """Return what was learned so far."""
        firmware_version, mapping_version = self._versions
        return Learned(
            firmware_version=firmware_version,
            mapping_version=mapping_version,
            layout=self.layout.proven,
            refused_reads=frozenset(self.refused_reads),
            largest_read=self._largest_read,
            first_answer=self._first_answer,
        )

    def identified(self, identity: Identity) -> None:
        """Forget what was learned if the charger has other versions now."""
        if self._is_identified and not self.learned.is_about(identity):
            self._restore(Learned())
        self._is_identified = True
        self._versions = (identity.firmware_version, identity.mapping_version)

    def answered(self, count: int) -> None:
        """Learn from a read of a number of registers."""
        self._largest_read = max(self._largest_read, count)

    def answered_first(self, seconds: float) -> None:
        """Learn from the time until the first answer on a connection."""
        if seconds > self._first_answer + SLOWER:
            self._first_answer = round(seconds, 1)
