"""Whether a car charges with the surplus, and with how much."""

from dataclasses import dataclass, field
import math

from .cost import Cost
from .follow_prices import FollowPrices
from .long_view import LongView
from .prices import Prices


STOP_AT = 0.77
"""Share of the minimum power below which charging is worth less than it imports."""
BAND = 0.15
USUAL_AT = 0.64
"""Share of the minimum power that a start needs on average."""
IMPORT_COST = 3.0
VIEW = 900.0
"""s in which a former surplus fades."""
EXCESS_AT = 0.3
FADE = 2.5
LEAST_SEEN = -1000.0


def tenths_down(amps: float) -> float:
    """Return a current rounded down to 0.1 A."""
    return round(math.floor(amps * 10 + 1e-6) / 10, 1)


def tenths_up(amps: float) -> float:
    """Return a current rounded up to 0.1 A."""
    return round(math.ceil(amps * 10 - 1e-6) / 10, 1)


@dataclass(slots=True)
class Range:
    """What a car may be offered, and what it would draw."""

    phases: int
    least_a: float
    """A, on the grid of 0.1 A."""
    most_a: float
    least_w: float
    """W drawn at `least_a`."""
    most_w: float
    watts_per_amp: float

    def value(self, surplus: float, *, always_on: bool) -> float:
        """Return what W of surplus are worth on these phases, in W.

        A pause is free.
        """
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
    phases: int = 0
    """Phases for which this was decided; 0 before the first decision."""
    is_short: bool = False
    """Whether the surplus is below the minimum."""
    is_due_to_stop: bool = False
    """Whether it would have stopped, if it may have."""
    follow: FollowPrices = field(default_factory=FollowPrices)
    surplus: float = 0.0
    view: LongView = field(default_factory=lambda: LongView(VIEW))
    start: Cost = field(default_factory=Cost)
    stop: Cost = field(default_factory=Cost)
    up: Cost = field(default_factory=Cost)
    down: Cost = field(default_factory=Cost)

    def advance(self, seconds: float) -> None:
        """Let the present decision cost something."""
        self.view.advance(seconds, self.surplus)
        if self.is_on:
            self.stop.advance(seconds)
            self.up.advance(seconds)
            self.down.advance(seconds)
        else:
            self.start.advance(seconds)

    def hold(self) -> None:
        """Stop comparing, as the surplus is not known."""
        self.next_change_at = None
        for cost in (self.start, self.stop, self.up, self.down):
            cost.clear()

    def turn(self, *, on: bool) -> None:
        """Start or stop, whatever it costs."""
        self.is_on, self.amps = on, 0.0
        self.hold()

    def decide(
        self,
        t: float,
        surplus: float,
        wanted_a: float,
        range_: Range,
        *,
        always_on: bool,
        start_threshold: float,
        may_stop: bool,
    ) -> None:
        """Compare the present decision with what it could be.

        `wanted_a` is the current in A with which the car would draw the surplus in W.
        """
        self.surplus = min(max(surplus, LEAST_SEEN), range_.most_w)
        self.is_short = surplus < range_.least_w
        best = min(max(tenths_down(wanted_a), range_.least_a), range_.most_a)
        self.is_due_to_stop = False
        if self.phases and self.phases != range_.phases:
            # The price of this change is paid: nothing else waits.
            self.turn(on=self.is_on)
            self.start.wh = self.prices.for_start(range_.phases)
        self.phases = range_.phases
        if not self.is_on:
            self._decide_start(t, surplus, best, range_, always_on, start_threshold)
        if self.is_on:
            self._decide_rest(t, surplus, best, range_, always_on, may_stop)

    def _decide_start(
        self,
        t: float,
        surplus: float,
        best: float,
        range_: Range,
        always_on: bool,
        start_threshold: float,
    ) -> None:
        needed = range_.least_w + start_threshold
        excess = min(surplus, range_.most_w) - EXCESS_AT * range_.least_w
        is_enough = surplus >= needed
        if not is_enough:
            excess = min(FADE*excess, 0.0)
        self.start.rate = excess
        usual = USUAL_AT * range_.least_w
        price = self.prices.for_start(range_.phases)
        if always_on or (self.start.exceeds(price) and self.view.mean > usual):
            self.turn(on=True)
            return
        at = self.start.exceeds_at(t, price)
        seconds = self.view.exceeds_in(usual, self.surplus)
        if at is not None and seconds is not None:
            self.next_change_at = max(at, t + seconds)

    def _decide_rest(
        self,
        t: float,
        surplus: float,
        best: float,
        range_: Range,
        always_on: bool,
        may_stop: bool,
    ) -> None:
        if not self.amps:
            self.amps = best
        self.amps = min(max(self.amps, range_.least_a), range_.most_a)
        short = range_.least_w - surplus
        if short > 0:
            short = max(STOP_AT * range_.least_w - surplus, BAND * short)
        self.stop.rate = 0.0 if always_on else short
        if self.stop.exceeds(price := self.prices.for_stop(range_.phases)):
            if may_stop:
                self.turn(on=False)
                return
            self.is_due_to_stop = True
        self.next_change_at = self.stop.exceeds_at(t, price)
        # Rates of the same size: noise that averages to nothing changes nothing.
        self.up.rate = (best - self.amps) * range_.watts_per_amp
        self.down.rate = -self.up.rate
        dear, cheap = self.prices.for_following(range_.phases)
        dear, cheap = dear * self.follow.factor, cheap * self.follow.factor
        if self.up.exceeds(dear) or self.down.exceeds(cheap):
            self.amps = best
            self.follow.changed(t)
            self.up.clear()
            self.down.clear()
            return
        for at in (self.up.exceeds_at(t, dear), self.down.exceeds_at(t, cheap)):
            if at is not None:
                earlier = self.next_change_at
                self.next_change_at = at if earlier is None else min(at, earlier)
