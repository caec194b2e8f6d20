"""Detect the byte layout of a charger from values that are known to be plausible."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from . import wall_clock
from .codec import Layout
from .model import Image, Register, RegisterGroup, Table
from .registers import CURRENT_LIMIT, FALLBACK_LIMIT, FALLBACK_TIMEOUT, Clock, Reading

VOLTAGES: Final = tuple(Reading.registers[f"voltage_l{phase}"] for phase in (1, 2, 3))

MIN_WITNESSES: Final = 2
"""Witnesses that have to agree, one of them a float."""


def _has_date(image: Image, layout: Layout) -> bool:
    return wall_clock.calendar_date(Clock.decode(image, layout)) is not None


def _has_voltages(image: Image, layout: Layout) -> bool:
    voltages = [register.decode(image, layout) for register in VOLTAGES]
    connected = [voltage for voltage in voltages if voltage != 0]
    return bool(connected) and all(
        voltage is not None and 80 <= voltage <= 300 for voltage in connected
    )


def _has_timeout(image: Image, layout: Layout) -> bool:
    return FALLBACK_TIMEOUT.decode(image, layout) is not None


def _has_current(register: Register[float]) -> Callable[[Image, Layout], bool]:
    def is_plausible(image: Image, layout: Layout) -> bool:
        current = register.decode(image, layout)
        # A wrong layout gives tiny numbers, which are valid limits.
        return current is not None and current >= 1

    return is_plausible


@dataclass(frozen=True)
class Witness:
    """A value that is plausible in the right layout, and hardly in another."""

    table: Table
    is_plausible: Callable[[Image, Layout], bool]
    is_float: bool = True


WITNESSES: Final = (
    Witness(Table.INPUT, _has_date, is_float=False),
    Witness(Table.INPUT, _has_voltages),
    Witness(Table.INPUT, _has_current(Reading.registers["app_max_current"])),
    Witness(Table.HOLDING, _has_timeout, is_float=False),
    Witness(Table.HOLDING, _has_current(CURRENT_LIMIT)),
    Witness(Table.HOLDING, _has_current(FALLBACK_LIMIT)),
)


class LayoutDetector:
    """The byte layout of one charger, and whether it is certain.

    Each witness speaks for the layouts in which its value is plausible. One that is
    plausible in none, such as a clock that is not set, or in all says nothing. A
    layout is certain if several witnesses speak for it, one of them a float, and none
    against it. The documented layout is assumed until another one is certain; one
    that was certain before stays so while no witness speaks against it. While one
    does, the layout is in doubt, and so are the values.
    """

    def __init__(self) -> None:
        """Initialize with the documented layout."""
        self.reset(None)

    def reset(self, proven: Layout | None) -> None:
        """Begin with the layout that was certain before, or the documented one."""
        self.layout = proven or Layout.DCBA
        self.proven = proven
        """The layout that was certain last."""
        self.is_in_doubt = False
        self._images: dict[Table, Image] = {table: {} for table in Table}

    @property
    def is_certain(self) -> bool:
        """Return whether the layout is certain enough to write registers."""
        return self.proven is not None and not self.is_in_doubt

    @property
    def has_valid_date(self) -> bool:
        """Return whether the date that was last read is valid."""
        return _has_date(self._images[Table.INPUT], self.layout)

    def observe(self, table: Table, image: Image) -> None:
        """Update the layout from words that were read."""
        self._images[table] = {**self._images[table], **image}
        heard = [
            (witness, layouts)
            for witness in WITNESSES
            if 0 < len(layouts := self._plausible(witness)) < len(Layout)
        ]
        agreed = set(Layout).intersection(*(layouts for _, layouts in heard))
        if (
            len(agreed) == 1
            and len(heard) >= MIN_WITNESSES
            and any(witness.is_float for witness, _ in heard)
        ):
            (self.layout,) = agreed
            self.proven = self.layout
        self.is_in_doubt = self.layout not in agreed

    def decode[G: RegisterGroup](self, group: type[G], image: Image) -> G:
        """Return a group with the values of the words, without those in doubt."""
        values = group.decode(image, self.layout)
        if not self.is_in_doubt:
            return values
        in_doubt = {
            name: None
            for name, register in group.registers.items()
            if register.data_type.depends_on_layout
        }
        return replace(values, **in_doubt)

    def _plausible(self, witness: Witness) -> set[Layout]:
        image = self._images[witness.table]
        return {layout for layout in Layout if witness.is_plausible(image, layout)}


class Decoded[G: RegisterGroup]:
    """A group that was read, in the byte layout as it is known now."""

    def __init__(self, group: type[G], detector: LayoutDetector) -> None:
        """Initialize with unknown values."""
        self._group = group
        self._detector = detector
        self.update({})

    def update(self, image: Image) -> None:
        """Update from words that were read."""
        self._image = image
        self._decode()

    def _decode(self) -> None:
        self._decoded_in = (self._detector.layout, self._detector.is_in_doubt)
        self._values = self._detector.decode(self._group, self._image)

    @property
    def values(self) -> G:
        """Return the group, without the values whose layout is in doubt."""
        # It is asked for often, and the layout changes seldom.
        if self._decoded_in != (self._detector.layout, self._detector.is_in_doubt):
            self._decode()
        return self._values
