"""Whether a car charges with the surplus, and with how much."""

from dataclasses import dataclass, field
from typing import Final

from .conditions import Conditions
from .cost import Cost
from .fading_mean import FadingMean
from .follow_prices import FollowPrices
from .prices import Prices
from .rounding import tenths_down

USUAL_SHARE: Final = 0.5
"""Share of the minimum power that the surplus has to exceed on average for a start."""
UNUSUAL: Final = 16.0
"""How much more a start costs while the surplus is not usually enough."""
VIEW: Final = 900.0
"""s in which a former surplus fades."""
LEAST_COUNTED: Final = -1000.0
"""W: a greater lack of surplus counts as this one in the average."""
WASTED_ABOVE: Final = 0.3
"""Share of the minimum power above which surplus is wasted without charging."""
FORGOTTEN: Final = 2.0
"""How much faster what was wasted is forgotten, while there is too little surplus."""
WORTH_HOLDING: Final = 0.8
"""Share of the minimum power down to which charging goes on for long."""
HELD: Final = 0.15
"""Share of the imported power that counts meanwhile, so that it ends."""
DEEP: Final = 0.4
"""Share of the minimum power from which its import counts more."""
DEEPER: Final = 3.0
"""How much more it counts, for each share above: no short drop is worth that."""
IMPORT_COST: Final = 3.0
"""What imported energy costs against solar energy, when phases are compared."""


@dataclass(slots=True)
class Range:
    """What a car may be offered, and what it would draw."""

    phases: int
    least_a: float
    """A, in steps of 0.1."""
    most_a: float
    least_w: float
    """W drawn at `least_a`."""
    most_w: float
    watts_per_amp: float

    def value(self, surplus: float, *, always_on: bool) -> float:
        """Return what a surplus in W is worth on these phases, in W. A pause is free."""
        surplus = max(0.0, surplus)
        if surplus >= self.least_w:
            return min(surplus, self.most_w)
        value = surplus - IMPORT_COST * (self.least_w - surplus)
        return value if always_on else max(0.0, value)


@dataclass(slots=True)
class SolarCharging:
    """Starts, follows the surplus and stops, each when it is worth its price."""

    prices: Prices
    is_on: bool = False
    amps: float = 0.0
    """What the car is offered while on, in A; 0 until that is decided."""
    next_change_at: float | None = None
    """When it starts or stops if everything stays as it is, in s."""
    next_step_at: float | None = None
    """When it follows the surplus if everything stays as it is, in s."""
    is_short: bool = False
    """Whether the surplus is below the minimum."""
    is_due_to_stop: bool = False
    """Whether it would have stopped, if it were allowed to."""
    _phases: int = 0
    """Phases for which this was decided; 0 before the first decision."""
    _usual: FadingMean = field(default_factory=lambda: FadingMean(VIEW))
    _follow: FollowPrices = field(default_factory=FollowPrices)
    _start: Cost = field(default_factory=Cost)
    _stop: Cost = field(default_factory=Cost)
    _up: Cost = field(default_factory=Cost)
    _down: Cost = field(default_factory=Cost)

    def hold(self) -> None:
        """Stop comparing, as the surplus is not known."""
        self.next_change_at = self.next_step_at = None
        for cost in (self._start, self._stop, self._up, self._down):
            cost.clear()

    def turn(self, *, on: bool) -> None:
        """Start or stop, whatever it costs."""
        self.is_on, self.amps = on, 0.0
        self.hold()

    def decide(
        self, conditions: Conditions, range_: Range, wanted_a: float, *, may_stop: bool
    ) -> None:
        """Compare the present decision with what it could be.

        `wanted_a` is the current in A with which the car would draw the surplus.
        """
        surplus = conditions.surplus
        self.is_short = surplus < range_.least_w
        self.is_due_to_stop = False
        self.next_change_at = self.next_step_at = None
        counted = min(max(surplus, LEAST_COUNTED), range_.most_w)
        self._usual.advance(conditions.seconds, counted)
        if self._phases and self._phases != range_.phases:
            # The price of this change is paid: nothing else waits.
            self.turn(on=self.is_on)
            self._start.wh = self.prices.for_start(range_.phases)
        self._phases = range_.phases
        if not self.is_on:
            self._decide_start(conditions, range_, counted)
        if self.is_on:
            self._decide_stop(conditions, range_, may_stop=may_stop)
        if self.is_on:
            self._follow_surplus(conditions, range_, wanted_a)

    def _decide_start(
        self, conditions: Conditions, range_: Range, counted: float
    ) -> None:
        """Start if enough was wasted, and the surplus is usually enough."""
        needed = range_.least_w + conditions.start_threshold
        wasted = counted - WASTED_ABOVE * range_.least_w
        if conditions.surplus < needed:
            wasted = min(0.0, FORGOTTEN * wasted)
        self._start.advance(wasted, conditions.seconds, conditions.late)
        price = self.prices.for_start(range_.phases)
        usual = USUAL_SHARE * range_.least_w
        unusual_price = UNUSUAL * price
        is_worth_it = self._start.exceeds(unusual_price) or (
            self._start.exceeds(price) and self._usual.mean > usual
        )
        if conditions.always_on or is_worth_it:
            self.turn(on=True)
            return
        paid_at = self._start.exceeds_at(conditions.t, price)
        usual_in = self._usual.exceeds_in(usual, counted)
        self.next_change_at = self._start.exceeds_at(conditions.t, unusual_price)
        if (
            paid_at is not None
            and self.next_change_at is not None
            and usual_in is not None
        ):
            usual_at = max(paid_at, conditions.t + usual_in)
            self.next_change_at = min(usual_at, self.next_change_at)

    def _decide_stop(
        self, conditions: Conditions, range_: Range, *, may_stop: bool
    ) -> None:
        """Stop if enough was imported."""
        imported = range_.least_w - conditions.surplus
        if imported > 0:
            lacking = WORTH_HOLDING * range_.least_w - conditions.surplus
            imported = max(lacking, HELD * imported)
            share = min(imported / range_.least_w, 1.0)
            imported *= 1 + DEEPER * max(0.0, share - DEEP)
        if conditions.always_on:
            imported = 0.0
        self._stop.advance(imported, conditions.seconds, conditions.late)
        price = self.prices.for_stop(range_.phases)
        if not self._stop.exceeds(price):
            self.next_change_at = self._stop.exceeds_at(conditions.t, price)
        elif may_stop:
            self.turn(on=False)
        else:
            self.is_due_to_stop = True

    def _follow_surplus(
        self, conditions: Conditions, range_: Range, wanted_a: float
    ) -> None:
        """Offer more or less if enough was exported or imported."""
        best = min(max(tenths_down(wanted_a), range_.least_a), range_.most_a)
        if not self.amps:
            self.amps = best
        self.amps = min(max(self.amps, range_.least_a), range_.most_a)
        # Rates of the same size: noise that averages to nothing changes nothing.
        watts = (best - self.amps) * range_.watts_per_amp
        self._up.advance(watts, conditions.seconds)
        self._down.advance(-watts, conditions.seconds)
        dear, cheap = self.prices.for_following(range_.phases)
        dear, cheap = dear * self._follow.factor, cheap * self._follow.factor
        if self._up.exceeds(dear) or self._down.exceeds(cheap):
            self.amps = best
            self._follow.changed(conditions.t)
            self._up.clear()
            self._down.clear()
            return
        up_at = self._up.exceeds_at(conditions.t, dear)
        # Their rates are opposite, so that one of them is never.
        self.next_step_at = (
            self._down.exceeds_at(conditions.t, cheap) if up_at is None else up_at
        )
