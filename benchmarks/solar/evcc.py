"""The solar mode of evcc as it is documented, with its defaults."""

from dataclasses import dataclass
import math

from .strategy import MIN_CURRENT, Answer, ChargerRead, Reading, Site

INTERVAL = 30.0  # s
NOMINAL_VOLTAGE = 230.0
ENABLE_DELAY = 60.0  # s, also before switching to three phases
DISABLE_DELAY = 180.0  # s, also before switching to one phase
SETTLE = 60.0  # s after a phase switch before another is considered
HEADROOM = 2.0  # A by which the limit may exceed the measured current


@dataclass(frozen=True, slots=True)
class _Cycle:
    """The values of one cycle."""

    t: float
    grid: float  # W, import positive
    power: float  # W
    current: float  # A that the calculation starts from
    charging: bool
    phases: int


class Evcc:
    """A limit every 30 s, with delays before starting, stopping and switching."""

    def __init__(self, site: Site, step: float = 1.0) -> None:
        """Start paused. The step of the limit is in A."""
        self._site = site
        self._step = step
        self._next = 0.0
        self._limit = 0.0
        self._pv_timer: float | None = None
        self._phase_timer: float | None = None
        self._switched = -math.inf
        self._asked: tuple[_Cycle, int] | None = None

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading."""
        if reading.meter is None or reading.charger is None:
            return Answer(0.0)
        if self._asked is not None:
            self._finish(reading.charger)
        elif reading.t >= self._next:
            self._next = reading.t + INTERVAL
            cycle = self._cycle(reading.t, reading.meter.grid, reading.charger)
            phases = self._wanted_phases(cycle)
            if phases is not None:
                self._asked = cycle, phases
                return Answer(self._limit, phases)
            self._set(self._target(cycle))
        return Answer(self._limit)

    def _cycle(self, t: float, grid: float, charger: ChargerRead) -> _Cycle:
        charging = charger.status == "charging"
        current = (
            min(max(charger.currents) + HEADROOM, self._limit) if charging else 0.0
        )
        return _Cycle(t, grid, charger.power, current, charging, charger.phases)

    def _finish(self, charger: ChargerRead) -> None:
        """End a cycle once it is read whether the charger switched."""
        assert self._asked is not None
        cycle, phases = self._asked
        if charger.at <= cycle.t:
            return
        self._asked = None
        current = cycle.current
        if charger.phases == phases:
            self._switched = cycle.t
            self._phase_timer = None
            current = current / 3 if phases == 3 else current
        self._set(
            self._target(
                _Cycle(
                    cycle.t,
                    cycle.grid,
                    cycle.power,
                    current,
                    cycle.charging,
                    charger.phases,
                )
            )
        )

    def _wanted_phases(self, cycle: _Cycle) -> int | None:
        """Return the phases to switch to once their delay is over."""
        if not self._site.can_switch or cycle.t - self._switched <= SETTLE:
            return None
        available = cycle.power - cycle.grid
        if cycle.phases == 3:
            wanted, delay = 1, DISABLE_DELAY
            due = (cycle.grid > 0 or not self._limit) and _amps(
                available, 3
            ) < MIN_CURRENT
        else:
            wanted, delay = 3, ENABLE_DELAY
            due = (
                _amps(available, 1) > self._site.ceiling
                and _amps(available, 3) >= MIN_CURRENT
            )
        if not due:
            self._phase_timer = None
            return None
        if not cycle.charging:
            self._phase_timer = -math.inf
        elif self._phase_timer is None:
            self._phase_timer = cycle.t
        return wanted if cycle.t - self._phase_timer >= delay else None

    def _target(self, cycle: _Cycle) -> float:
        """Return the current in A, before it is rounded and limited."""
        target = max(cycle.current + _amps(-cycle.grid, cycle.phases), 0.0)
        if self._limit and target < MIN_CURRENT:
            projected = cycle.grid
            if self._phase_timer is not None:
                projected -= NOMINAL_VOLTAGE * MIN_CURRENT * (cycle.phases - 1)
            due = self._elapsed(cycle.t, DISABLE_DELAY, due=projected >= 0)
            return 0.0 if due else MIN_CURRENT
        if not self._limit:
            due = self._elapsed(cycle.t, ENABLE_DELAY, due=target >= MIN_CURRENT)
            return MIN_CURRENT if due else 0.0
        self._pv_timer = None
        return target

    def _elapsed(self, t: float, delay: float, *, due: bool) -> bool:
        """Return whether a condition has held for the delay."""
        if not due:
            self._pv_timer = None
            return False
        if self._pv_timer is None:
            self._pv_timer = t
        if t - self._pv_timer < delay:
            return False
        self._pv_timer = None
        return True

    def _set(self, target: float) -> None:
        """Round the current down and limit it."""
        steps = math.floor(min(target, self._site.ceiling) / self._step + 1e-6)
        current = round(steps * self._step, 1)
        self._limit = current if current >= MIN_CURRENT else 0.0


def _amps(watts: float, phases: int) -> float:
    return watts / NOMINAL_VOLTAGE / phases
