"""The surplus controller: readings in, decisions out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
import math
from typing import Any, Final

from .charger import Charger
from .conditions import Conditions
from .decision import ChargerDecision, Decision, Reason
from .estimate import Surplus
from .fuse import FuseGuard, Load
from .meter import ABSURD_W, GridMeter, MeterState
from .meter_lag import MeterLag
from .prices import PRICES
from .readings import Changes, Reading
from .rounding import tenths_down
from .setpoint import Setpoint
from .settings import Mode, Settings
from .simple_modes import fast, manual, off
from .solar_mode import solar
from .state import dump, restore

LONGEST_STEP: Final = 60.0
"""s; a longer time between two readings tells nothing about what was wasted."""
FREED_WITHIN: Final = 15.0
"""s for which a charger that gives way is trusted to do so."""


class Controller:
    """Decides how much current each charger offers.

    It keeps no clock: the same readings lead to the same decisions.
    """

    def __init__(
        self, settings: Settings, state: Mapping[str, Any] | None = None
    ) -> None:
        """Initialize, with what an earlier controller knew; raises InvalidState."""
        self.chargers: list[Charger] = []
        self._meter = GridMeter()
        self._guard = None if settings.fuse is None else FuseGuard(settings.fuse)
        self._surplus = Surplus()
        self._read_surplus = Surplus()
        """The same of the chargers that could be read; any other one is a load."""
        self._read: list[Charger] = []
        """Those chargers, at the last report."""
        self._lag = MeterLag()
        self._t: float | None = None
        self.surplus_w: float | None = None
        """W that the chargers in a solar mode could use without import."""
        self._discharging = 0.0
        self.configure(settings)
        if state is not None:
            restore(state, self.chargers)

    def configure(self, settings: Settings) -> None:
        """Take other settings, of the same house.

        What is known of the meters and of chargers that remain is kept.
        """
        self.settings = settings
        prices = PRICES[settings.restarts]
        known = {charger.settings.id: charger for charger in self.chargers}
        self.chargers = []
        for each in settings.chargers:
            charger = known.get(each.id) or Charger(each, prices)
            charger.configure(each, prices)
            self.chargers.append(charger)

    @property
    def meter_state(self) -> MeterState:
        """Return whether the grid meter can be relied on."""
        return self._meter.state

    def dump(self) -> dict[str, Any]:
        """Return the modes and what was learned, to be stored as JSON."""
        return dump(self.chargers)

    def decide(self, reading: Reading) -> Decision:
        """Return what the chargers shall do; `reading.t` never falls."""
        t = reading.t
        seconds = 0.0 if self._t is None else min(t - self._t, LONGEST_STEP)
        self._t = t
        if reading.changes is not None:
            self._change(reading.changes)
        self._observe(reading)
        self._measure(reading)
        loads = [charger.load(t) for charger in self.chargers]
        conditions = self._conditions(t, seconds)
        decisions = []
        for index, charger in enumerate(self.chargers):
            setpoint = self._setpoint(index, conditions)
            self._limit(t, index, loads, setpoint)
            decisions.append(_decision(t, charger, setpoint))
            if charger.is_solar and charger in self._read:
                conditions.surplus -= charger.taken(t)
            charger.is_entering = conditions.meter is not MeterState.VALID
        return Decision(t, tuple(decisions))

    # What is known

    def _change(self, changes: Changes) -> None:
        """Apply what the user changed."""
        for charger in self.chargers:
            ceiling = changes.ceiling_a.get(charger.settings.id)
            if ceiling is not None:
                charger.set_ceiling(ceiling)
            mode = changes.mode.get(charger.settings.id)
            if mode is not None:
                charger.set_mode(mode)

    def _observe(self, reading: Reading) -> None:
        """Take what was read of the chargers."""
        readings = {each.id: each for each in reading.chargers}
        for charger in self.chargers:
            charger.observe(reading.t, readings.get(charger.settings.id))

    def _measure(self, reading: Reading) -> None:
        """Take what the meters of the house report."""
        t, grid, battery = reading.t, reading.grid_w, reading.battery_w
        if battery is not None and not abs(battery) <= ABSURD_W:
            battery = None
        is_battery_unknown = self.settings.battery is not None and battery is None
        # Without it, a battery that discharges would look like sun.
        self._meter.update(t, None if is_battery_unknown else grid, reading.grid_at)
        self._is_battery_unknown = is_battery_unknown and grid is not None
        if self._guard is not None:
            self._guard.update(t, reading.house_a, reading.house_at)
        if self._meter.state is not MeterState.VALID:
            self._surplus.clear()
            self._read_surplus.clear()
            self._lag.skip()
        elif self._meter.is_fresh and grid is not None and reading.grid_at is not None:
            self._discharging = max(0.0, battery or 0.0)
            counted = battery or 0.0
            if counted < 0 and not self._is_car_first(reading.battery_soc):
                counted = 0.0
            self._lag.report(reading.grid_at, grid + counted)
            self._update_lag()
            since, until = self._lag.measured(reading.grid_at)
            powers = [(each, *each.powers(t, since, until)) for each in self.chargers]
            self._surplus.update(
                sum(least for _, least, _ in powers),
                sum(most for *_, most in powers),
                grid + counted,
            )
            self._read = [each for each in self.chargers if each.is_readable]
            if len(self._read) == len(self.chargers):
                self._read_surplus.value = self._surplus.value
            else:
                self._read_surplus.update(
                    sum(least for each, least, _ in powers if each.is_readable),
                    sum(most for each, _, most in powers if each.is_readable),
                    grid + counted,
                )

    def _update_lag(self) -> None:
        """Learn how late the meter is, by the reports until all cars were read."""
        self._lag.update(
            min(
                (each.read_at for each in self.chargers if each.is_readable),
                default=-math.inf,
            ),
            self._power_at,
            max(
                (each.car.power_changed_at for each in self.chargers),
                default=-math.inf,
            ),
        )

    def _power_at(self, at: float) -> float:
        """Return what the cars drew at a time in s, in W."""
        return sum(charger.car.power_at(at) for charger in self.chargers)

    def _is_car_first(self, soc: float | None) -> bool:
        """Return whether what charges the battery is surplus."""
        battery = self.settings.battery
        if battery is None or soc is None:
            return False
        return soc >= battery.car_first_above_soc

    def _conditions(self, t: float, seconds: float) -> Conditions:
        """Return what is known of the surplus, before the first charger has its part.

        What a charger in another mode takes is no surplus.
        """
        settings, surplus = self.settings, self._read_surplus.value
        taken = sum(
            each.taken(t)
            for each in self.chargers
            if each in self._read and not each.is_solar
        )
        self.surplus_w = None if surplus is None else surplus - taken
        return Conditions(
            t=t,
            seconds=seconds,
            late=self._meter.late + (self._lag.value or 0.0),
            meter=self._meter.state,
            meter_lost_at=self._meter.next_change_at,
            surplus=(self.surplus_w or 0.0)
            + settings.import_tolerated_w
            - settings.export_kept_w,
            discharging=self._discharging,
            start_threshold=settings.start_threshold_w,
            is_battery_unknown=self._is_battery_unknown,
        )

    @property
    def _hidden(self) -> float:
        """Return the surplus in W that chargers may use that cannot be read."""
        return (self._surplus.value or 0.0) - (self._read_surplus.value or 0.0)

    # What follows

    def _setpoint(self, index: int, conditions: Conditions) -> Setpoint:
        """Return what the mode wants for a charger."""
        charger = self.chargers[index]
        match charger.mode:
            case Mode.MANUAL:
                return manual()
            case Mode.OFF:
                return off()
            case Mode.FAST:
                return fast(charger, conditions.t)
            case _:
                # One that never pauses has nothing to give way with.
                after = [
                    each
                    for each in self.chargers[index + 1 :]
                    if each.solar.is_on and each.mode is Mode.SOLAR
                ]
                own = replace(
                    conditions,
                    always_on=charger.mode is Mode.SOLAR_MIN,
                    is_entering=charger.is_entering,
                )
                if charger not in self._read:
                    # It may draw what it did.
                    own.surplus += self._hidden
                return solar(charger, own, after)

    def _limit(
        self, t: float, index: int, loads: list[Load], setpoint: Setpoint
    ) -> None:
        """Apply what limits a charger in any mode."""
        charger, load = self.chargers[index], loads[index]
        if self._guard is not None and load.gives_way:
            # It is decided on now.
            self._guard.keep(load)
        if self._guard is not None and charger.mode is not Mode.OFF:
            # The phases may have been switched since.
            load.phases = charger.house_phases(t)
            self._update_cap(t, index, loads, self._guard)
            if charger.mode is Mode.MANUAL:
                charger.limit_found(setpoint)
            elif setpoint.amps is not None and charger.cap.value < setpoint.amps:
                setpoint.amps = tenths_down(charger.cap.value)
                setpoint.reason = Reason.FUSE
                setpoint.changes = [
                    charger.cap.changes_at(charger.least_a),
                    *setpoint.changes,
                ]
            if setpoint.amps is not None and setpoint.amps < charger.least_a:
                setpoint.amps = 0.0
        charger.limit_unreadable(setpoint)
        charger.answered(t, setpoint.amps)
        if charger.has_car:
            amps = charger.reading.offered_a if setpoint.amps is None else setpoint.amps
            load.reserved_a = amps or 0.0
        if self._guard is not None:
            self._guard.take(load)

    def _update_cap(
        self, t: float, index: int, loads: list[Load], guard: FuseGuard
    ) -> None:
        """Find what the fuse leaves for a charger."""
        charger = self.chargers[index]
        left = guard.left(loads[index])
        if left is None:
            charger.cap.limit_unknown(t, charger.least_a, guard.old_at)
            return
        charger.cap.known()
        if loads[index].gives_way:
            left = min(left, 0.0)
        elif left < charger.least_a and charger.answer:
            left = self._free(t, index, loads, guard) or left
        charger.cap.limit(t, left)

    def _free(
        self, t: float, index: int, loads: list[Load], guard: FuseGuard
    ) -> float | None:
        """Have chargers further down give way, so that this one need not pause.

        Return what it may use then, in A; None if it has to pause all the same.
        """
        least = self.chargers[index].least_a
        freed = []
        for after in reversed(range(index + 1, len(loads))):
            charger = self.chargers[after]
            is_freeing = t - charger.gave_way_at < FREED_WITHIN
            if not charger.is_readable or not (charger.answer or is_freeing):
                continue
            freed.append(after)
            guard.free(loads[after])
            left = guard.left(loads[index])
            if left is not None and left >= least:
                for each in freed:
                    if self.chargers[each].answer:
                        self.chargers[each].gave_way_at = t
                return least
        for each in freed:
            loads[each].gives_way = False
            guard.keep(loads[each])
        return None


def _decision(t: float, charger: Charger, setpoint: Setpoint) -> ChargerDecision:
    """Return the decision that a setpoint has become."""
    transition_at = _earliest(t, setpoint.changes)
    return ChargerDecision(
        id=charger.settings.id,
        current_a=setpoint.amps,
        fuse_a=charger.fuse_a,
        phase_mode=setpoint.phase_mode,
        reason=setpoint.reason,
        next_change_at=_earliest(t, [transition_at, setpoint.next_step_at]),
        next_transition_at=transition_at,
    )


def _earliest(t: float, times: Sequence[float | None]) -> float | None:
    """Return the first of the times after `t`, in s, rounded up; None without one."""
    later = [at for at in times if at is not None and at > t]
    # At the time that is told, the change has been made.
    return math.ceil(min(later) * 1000) / 1000 if later else None
