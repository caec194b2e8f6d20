"""Detect the byte layout of a charger from values that are known to be plausible."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import wall_clock
from .codec import Layout
from .model import Image, Table
from .registers import Clock, Reading, Settings

MIN_WITNESSES: Final = 2
"""Witnesses that have to agree, one of them a float."""


def _has_date(image: Image, layout: Layout) -> bool:
    return wall_clock.calendar_date(Clock.decode(image, layout)) is not None


def _has_voltages(image: Image, layout: Layout) -> bool:
    reading = Reading.decode(image, layout)
    voltages = (reading.voltage_l1, reading.voltage_l2, reading.voltage_l3)
    connected = [voltage for voltage in voltages if voltage != 0]
    return bool(connected) and all(
        voltage is not None and 80 <= voltage <= 300 for voltage in connected
    )


def _has_timeout(image: Image, layout: Layout) -> bool:
    return Settings.decode(image, layout).fallback_timeout is not None


def _is_current(current: float | None) -> bool:
    # A wrong layout gives tiny numbers, which are valid limits.
    return current is not None and current >= 1


@dataclass(frozen=True)
class Witness:
    """A value that is plausible in the right layout, and hardly in another."""

    table: Table
    is_plausible: Callable[[Image, Layout], bool]
    is_float: bool = True


WITNESSES: Final = (
    Witness(Table.INPUT, _has_date, is_float=False),
    Witness(Table.INPUT, _has_voltages),
    Witness(
        Table.INPUT,
        lambda image, layout: _is_current(
            Reading.decode(image, layout).app_max_current
        ),
    ),
    Witness(Table.HOLDING, _has_timeout, is_float=False),
    Witness(
        Table.HOLDING,
        lambda image, layout: _is_current(Settings.decode(image, layout).current_limit),
    ),
    Witness(
        Table.HOLDING,
        lambda image, layout: _is_current(
            Settings.decode(image, layout).fallback_limit
        ),
    ),
)


class LayoutDetector:
    """The byte layout of one charger, and whether it is certain.

    Each witness speaks for the layouts in which its value is plausible. One that is
    plausible in none, such as a clock that is not set, or in all says nothing. A
    layout is certain if several witnesses speak for it, one of them a float, and none
    against it. The documented layout is assumed until then. One that was certain
    before stays so while no witness speaks against it.
    """

    def __init__(self, *, proven: Layout | None = None) -> None:
        """Initialize with the layout that was certain before, or the documented one."""
        self.layout = proven or Layout.DCBA
        self.proven = proven
        """The layout that was certain last."""
        self.is_certain = proven is not None
        self.has_valid_date = False
        self._images: dict[Table, Image] = {table: {} for table in Table}

    def observe(self, table: Table, image: Image) -> None:
        """Update the layout from words that were read."""
        self._images[table] = {**self._images[table], **image}
        self.has_valid_date = _has_date(self._images[Table.INPUT], self.layout)
        heard = [
            (witness, layouts)
            for witness in WITNESSES
            if 0 < len(layouts := self._plausible(witness)) < len(Layout)
        ]
        votes = {
            layout: sum(layout in layouts for _, layouts in heard) for layout in Layout
        }
        best = max(Layout, key=lambda layout: (votes[layout], layout is self.layout))
        self.layout = best
        if (
            votes[best] == len(heard)
            and len(heard) >= MIN_WITNESSES
            and any(witness.is_float for witness, _ in heard)
            and list(votes.values()).count(votes[best]) == 1
        ):
            self.proven = best
        self.is_certain = self.proven is not None and votes[self.proven] == len(heard)

    def _plausible(self, witness: Witness) -> set[Layout]:
        image = self._images[witness.table]
        return {layout for layout in Layout if witness.is_plausible(image, layout)}
