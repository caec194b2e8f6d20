"""One charger: what is known of it, and what the surplus means for it."""

import math
from typing import Final

from .car import Car, currents
from .decision import Reason
from .fuse import Cap, Load
from .phase_plan import PhasePlan
from .phases import PhaseSwitches
from .prices import Prices
from .readings import NO_CAR, ChargerReading, Status
from .rounding import tenths_down, tenths_up
from .setpoint import Setpoint
from .settings import SOLAR_MODES, ChargerSettings, Mode, PhaseMode
from .solar import Range, SolarCharging
from .wake_up import WakeUp

OLDEST_READ: Final = 30.0
"""s after which a charger counts as unreachable."""
TAKEN_FOR: Final = 30.0
"""s for which an offer that is not drawn yet counts as taken."""
FOLLOWS_WITHIN: Final = 20.0
"""s in which a car follows an offer, and the charger is read after that."""
SPARE_A: Final = 2.0
"""A offered on top of what the car draws at most, to notice if that rises."""


class Charger:
    """A charger and its car."""

    def __init__(self, settings: ChargerSettings, prices: Prices) -> None:
        """Initialize a charger that was not read yet."""
        self.settings = settings
        self.mode = settings.mode
        self.is_entering = True
        """Whether the surplus decides from now on, and did not before."""
        self.least_a = tenths_up(settings.min_a)
        """Lowest current in A that may be offered."""
        self.limit_to(settings.ceiling_a)
        self.changed_ceiling_a: float | None = None
        """What the user made of it since, in A; stored."""
        self.car = Car()
        self.switches = PhaseSwitches(settings.phase_mode)
        self.solar = SolarCharging(prices)
        self.plan = PhasePlan(prices)
        self.wake_up = WakeUp()
        self.cap = Cap()
        self.status: Status | None = None
        self.is_readable = False
        self.reading = ChargerReading(id=settings.id)
        self.answer: float | None = None
        """The current in the last decision, in A; None before it and for hands off."""
        self.answered_at = -math.inf
        """When it changed, in s."""
        self.gave_way_at = -math.inf
        """When it paused so that one before it did not have to, in s."""
        self.found_a: float | None = None
        """What the fuse found offered in `manual` and limits since, in A."""
        self.offered_since = -math.inf
        """Since when it has been offered any current, in s."""
        self.read_at = -math.inf
        """When it was read last, in s."""
        self._last_read: ChargerReading | None = None
        self._reduced_since: float | None = None
        for t in sorted(settings.switches):
            self.switches.record(t)

    def limit_to(self, ceiling: float) -> None:
        """Take the user's limit in A."""
        most = tenths_down(ceiling)
        self.ceiling_a = ceiling
        self.most_a = most if most >= self.least_a else 0.0
        """Highest current in A that may be offered; 0 if there is none."""

    # What is known

    def observe(self, t: float, reading: ChargerReading | None) -> None:
        """Take what is known of the charger at a time in s."""
        self.reading = reading = reading or ChargerReading(id=self.settings.id)
        at = None if reading.at is None else min(reading.at, t)
        self.is_readable = at is not None and t - at <= OLDEST_READ
        if at is not None and at >= self.read_at and reading != self._last_read:
            self.read_at, self._last_read = at, reading
            self._read(at, reading)
        if not self.is_readable:
            self.switches.give_up()

    def _read(self, at: float, reading: ChargerReading) -> None:
        """Take a new read of the charger."""
        self.status = reading.status
        if reading.phase_mode is not None:
            self.switches.observe(at, reading.phase_mode)
        if reading.status is Status.AVAILABLE:
            self.switches.end_session()
            self.car = Car(volts=self.car.volts)
            self.wake_up = WakeUp()
        self.car.update(reading, at)
        offered, answer = reading.offered_a, self.answer
        if offered is None or not answer or offered > answer - 1:
            self._reduced_since = None
        elif self._reduced_since is None:
            self._reduced_since = at

    @property
    def has_car(self) -> bool:
        """Return whether a car can charge."""
        return self.status not in NO_CAR

    @property
    def draws(self) -> bool:
        """Return whether a car draws power."""
        return self.car.power_w > 100

    def is_reduced(self, t: float) -> bool:
        """Return whether the charger offers less than it was told to."""
        since = self._reduced_since
        return since is not None and t - since >= TAKEN_FOR

    # Phases

    def phases_in(self, mode: PhaseMode) -> int:
        """Return how many phases are used in a phase mode."""
        return 1 if self.settings.supply_phases == 1 else self.car.phases(mode)

    def phases(self, t: float) -> int:
        """Return how many phases are used, or may be any moment."""
        possible = self.switches.possible(t)
        used = self.phases_in(self.switches.mode)
        return used if possible is None else max(used, self.phases_in(possible))

    @property
    def may_switch(self) -> bool:
        """Return whether the phases are free to be switched."""
        return (
            self.settings.can_switch
            and self.settings.supply_phases == 3
            and self.car.one_phase_in is not PhaseMode.THREE
        )

    def house_phases(self, t: float) -> tuple[int, ...]:
        """Return the phases of the house that it uses or may use any moment, from 0."""
        possible = self.switches.possible(t)
        is_one = self.settings.supply_phases == 1 or (
            self.switches.mode is PhaseMode.ONE and possible in {None, PhaseMode.ONE}
        )
        return (self.settings.rotation[0] - 1,) if is_one else (0, 1, 2)

    def load(self, t: float) -> Load:
        """Return the charger's part in the load of the house."""
        own = [0.0, 0.0, 0.0]
        for phase, amps in zip(
            self.settings.rotation, currents(self.reading), strict=True
        ):
            own[phase - 1] = amps
        return Load(phases=self.house_phases(t), own_a=(own[0], own[1], own[2]))

    # Power

    def range(self, phases: int) -> Range:
        """Return what the car may be offered on a number of phases."""
        car, most = self.car, self.most_a
        least = self.least_a + self.wake_up.extra_a
        if car.awake_a is not None and car.awake_a > least:
            least = car.awake_a
        least = min(least, most)
        if car.most_a is not None:
            most = min(most, max(least, tenths_down(car.most_a + SPARE_A)))
        return Range(
            phases=phases,
            least_a=least,
            most_a=most,
            least_w=car.watts(least, phases),
            most_w=car.watts(most, phases),
            watts_per_amp=car.volts * phases,
        )

    def powers(self, t: float, since: float, until: float) -> tuple[float, float]:
        """Return the least and the greatest power in W it may have had in that time."""
        least, most = self.car.powers_between(since, until)
        is_unread = until > self.read_at
        is_told = self.has_car and self.answer is not None
        if is_unread and is_told and t - self.answered_at < FOLLOWS_WITHIN:
            expected = self.car.watts(self.answer or 0.0, self.phases(t))
            least, most = min(least, expected), max(most, expected)
        return (least if self.is_readable else 0.0), most

    def taken(self, t: float) -> float:
        """Return the power in W that those after it cannot use."""
        power = self.car.power_w
        since = self.answered_at if self.draws else self.offered_since
        since = max(since, self.switches.asked_at)
        if self.has_car and self.answer and t - since < TAKEN_FOR:
            power = max(power, self.car.watts(self.answer, self.phases(t)))
        return power

    # Decisions

    def configure(self, settings: ChargerSettings, prices: Prices) -> None:
        """Take other settings."""
        self.settings = settings
        self.least_a = tenths_up(settings.min_a)
        self.limit_to(settings.ceiling_a)
        self.set_mode(settings.mode)
        self.solar.prices = prices
        self.plan.prices = prices

    @property
    def fuse_a(self) -> float | None:
        """Return what the fuse leaves, in A; None without a limit."""
        if math.isinf(self.cap.value):
            return None
        amps = tenths_down(self.cap.value)
        return amps if amps >= self.least_a else 0.0

    @property
    def is_solar(self) -> bool:
        """Return whether the surplus decides."""
        return self.mode in SOLAR_MODES

    def set_mode(self, mode: Mode) -> None:
        """Take another mode."""
        before, self.mode = self.mode, mode
        if before is mode or (before in SOLAR_MODES and self.is_solar):
            return
        self.is_entering = True
        self.solar.turn(on=False)
        self.plan.hold()
        self.found_a = None

    def set_ceiling(self, amps: float) -> None:
        """Take another limit of the user."""
        self.changed_ceiling_a = amps
        self.limit_to(amps)

    def update_wake_up(self, t: float) -> None:
        """Compare what the car was offered with what it draws."""
        extra, amps = self.wake_up.extra_a, self.answer or 0.0
        if self.draws and extra and amps > self.least_a:
            # It charges now, and did not with less.
            self.car.awake_a = min(amps, self.least_a + extra)
        self.wake_up.update(t, self.status, amps - self.least_a, draws=self.draws)

    def limit_found(self, setpoint: Setpoint) -> None:
        """Limit what is offered in `manual`, as the fuse demands it, and no more."""
        cap, offered = self.cap, self.reading.offered_a
        if self.found_a is None and (offered is None or offered > cap.value + 0.05):
            self.found_a = self.ceiling_a if offered is None else offered
        if self.found_a is not None and cap.value >= self.found_a:
            self.found_a = None
        if self.found_a is not None:
            setpoint.amps = tenths_down(min(cap.value, self.ceiling_a))
            setpoint.reason = Reason.FUSE
            setpoint.changes.append(cap.changes_at(self.least_a))

    def limit_unreadable(self, setpoint: Setpoint) -> None:
        """Offer no more than before to a charger that cannot be read."""
        if self.is_readable or setpoint.amps is None:
            return
        before = self.answer
        if before is None:
            before = self.reading.offered_a or 0.0
            if setpoint.reason is Reason.STARTING:
                before = setpoint.amps
        if setpoint.amps > before:
            setpoint.amps = tenths_down(before) if before >= self.least_a else 0.0
            setpoint.reason = Reason.CHARGER

    def answered(self, t: float, amps: float | None) -> None:
        """Note what was decided."""
        if amps is None or self.answer is None or abs(amps - self.answer) > 0.04:
            self.answered_at = t
            if amps and not self.answer:
                self.offered_since = t
        self.answer = amps
