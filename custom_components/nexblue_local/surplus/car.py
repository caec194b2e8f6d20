"""What is learned about the car at a charger."""

from collections import deque
from dataclasses import dataclass, field
import math
from typing import Final

from .readings import ChargerReading, Phases
from .settings import PhaseMode

NOMINAL_V: Final = 230.0
PLAUSIBLE_V: Final = (180.0, 280.0)
DRAWS_W: Final = 100.0
"""W from which a phase is in use."""
STEADY_FOR: Final = 20.0
"""s after which a car has followed a change of the offer."""
SEEN_FOR: Final = 30.0
"""s for which a car is seen on one phase until that is believed."""
LARGEST_GAP: Final = 2.0
"""A that a car draws less than offered; if it is more, the car is at its maximum."""
LARGEST_PART: Final = 0.4
"""Share of an offer that a car may not draw at any offer."""
MEMORY: Final = 12.0
"""s for which a former power may explain what the meter shows."""


def total(values: Phases | None) -> float:
    """Return the sum of what is known."""
    return sum(value for value in values if value is not None) if values else 0.0


def currents(reading: ChargerReading) -> tuple[float, float, float]:
    """Return the currents in A, from the powers where they are not measured."""
    if reading.current_a is not None:
        first, second, third = reading.current_a
        return max(0.0, first or 0), max(0.0, second or 0), max(0.0, third or 0)
    if reading.power_w is None:
        return 0.0, 0.0, 0.0
    volts = reading.voltage_v or (None, None, None)
    first, second, third = (
        max(0.0, power or 0.0) / (volt if volt and volt > PLAUSIBLE_V[0] else NOMINAL_V)
        for power, volt in zip(reading.power_w, volts, strict=True)
    )
    return first, second, third


@dataclass(slots=True)
class Car:
    """What is learned about a car, during one session."""

    volts: float = NOMINAL_V
    """W for each A and phase."""
    gap_a: float = 0.0
    """A that it draws less than offered."""
    most_a: float | None = None
    """A that it draws at most; None while it has not been seen."""
    awake_a: float | None = None
    """A that it needs to charge, if that is more than the minimum."""
    one_phase_in: PhaseMode | None = None
    """Mode with three phases in which it was seen to use one."""
    drawn_a: float = 0.0
    """A that it draws now."""
    power_w: float = 0.0
    power_changed_at: float = -math.inf
    """When it changed notably, in s."""
    _powers: deque[tuple[float, float]] = field(default_factory=deque)
    """When which power in W was read, from just before the memory on."""
    _offered_a: float = 0.0
    _offered_since: float = -math.inf
    _one_since: float | None = None
    _before: tuple[float, float] | None = None
    """A steady offer and what was drawn, both in A, at another offer than now."""
    _steady: tuple[float, float] | None = None
    _most_at: float = 0.0
    """Offer in A at which the maximum was seen."""
    _takes_part: bool = False
    """Whether it draws a part of any offer: then there is no maximum."""

    def update(self, reading: ChargerReading, at: float) -> None:
        """Take a new reading of the charger."""
        before, self.power_w = self.power_w, max(0.0, total(reading.power_w))
        if abs(self.power_w - before) > DRAWS_W:
            self.power_changed_at = at
        self._powers.append((at, self.power_w))
        while len(self._powers) > 1 and self._powers[1][0] <= at - 2 * MEMORY:
            self._powers.popleft()
        amps = currents(reading)
        used = [phase for phase in range(3) if amps[phase] * NOMINAL_V > DRAWS_W]
        self.drawn_a = max(amps)
        if not used:
            self._one_since = None
            return
        self._learn_volts(reading, used, sum(amps[phase] for phase in used))
        self._learn_phases(reading.phase_mode, at, len(used) == 1)
        offered = reading.offered_a
        if offered is None:
            return
        if abs(offered - self._offered_a) > 0.05:
            self._offered_a, self._offered_since = offered, at
            if self._steady is not None and abs(offered - self._steady[0]) >= 1:
                self._before = self._steady
        elif at - self._offered_since >= STEADY_FOR:
            self._learn_draw(offered, self.drawn_a)

    def _learn_volts(
        self, reading: ChargerReading, used: list[int], amps: float
    ) -> None:
        """Learn the W for each A, from measured currents or else voltages."""
        volts = self.volts
        if reading.current_a is not None and amps > 3 * len(used):
            volts = self.power_w / amps
        elif reading.voltage_v is not None:
            known = [v for phase in used if (v := reading.voltage_v[phase]) is not None]
            volts = sum(known) / len(known) if known else volts
        if PLAUSIBLE_V[0] <= volts <= PLAUSIBLE_V[1]:
            self.volts = volts

    def _learn_phases(self, mode: PhaseMode | None, at: float, one: bool) -> None:
        """Learn whether the car uses one phase although it could use three."""
        if mode in {PhaseMode.ONE, None}:
            self._one_since = None
        elif not one:
            self._one_since = self.one_phase_in = None
        elif self._one_since is None:
            self._one_since = at
        elif at - self._one_since >= SEEN_FOR:
            self.one_phase_in = mode

    def phases(self, mode: PhaseMode) -> int:
        """Return how many of three phases the car uses in a mode."""
        if mode is PhaseMode.ONE or self.one_phase_in is PhaseMode.THREE:
            return 1
        return 1 if self.one_phase_in is mode else 3

    def _learn_draw(self, offered: float, drawn: float) -> None:
        """Learn from a car that has followed the offer how much it draws of it.

        A car at its maximum draws the same at different offers. A gap is learned
        only from a car that is not.
        """
        self._steady = (offered, drawn)
        gap = max(0.0, offered - drawn)
        if self.most_a is not None and offered > self.most_a + 0.5:
            if drawn > self.most_a + 0.3:
                self.most_a = None
            elif drawn < self.most_a - 0.3 and offered < self._most_at - 0.5:
                # It draws less because it is offered less.
                self.most_a, self._takes_part = None, True
        elif self.most_a is not None and drawn > self.most_a + 0.3:
            self.most_a = None
        is_same = self._before is not None and abs(self._before[1] - drawn) < 0.3
        if not self._takes_part and gap > 0.5 and (gap > LARGEST_GAP or is_same):
            self.most_a, self._most_at = drawn, offered
        elif self.most_a is None or offered <= self.most_a:
            self.gap_a = min(gap, LARGEST_PART * offered)

    def amps(self, watts: float, phases: int) -> float:
        """Return the offer in A at which the car draws a power in W."""
        return watts / (self.volts * phases) + self.gap_a

    def watts(self, amps: float, phases: int) -> float:
        """Return the power in W that the car draws when it is offered `amps`."""
        # The gap may be that of a higher offer; a car that charges draws something.
        drawn = amps - min(self.gap_a, LARGEST_PART * amps)
        if self.most_a is not None:
            drawn = min(drawn, self.most_a)
        return drawn * self.volts * phases

    def is_following(self, t: float) -> bool:
        """Return whether it may still be changing its current, as the offer changed."""
        return t - max(self._offered_since, self.power_changed_at) < STEADY_FOR

    def power_at(self, at: float) -> float:
        """Return the power in W at a time in s, linear between two reads."""
        after_at, after = math.inf, self.power_w
        for read_at, power in reversed(self._powers):
            if read_at <= at:
                share = (at - read_at) / (after_at - read_at)
                return power + (after - power) * share
            after_at, after = read_at, power
        return after

    def powers_between(self, since: float, until: float) -> tuple[float, float]:
        """Return the least and the greatest power in W between two times in s."""
        least = most = self.power_at(until)
        for at, power in reversed(self._powers):
            if at <= until:
                least, most = min(least, power), max(most, power)
            if at <= since:
                break
        return least, most
