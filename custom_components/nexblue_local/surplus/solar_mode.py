"""What the surplus means for one charger."""

from collections.abc import Sequence
from dataclasses import dataclass

from .charger import Charger
from .decision import Reason
from .meter import GridMeter, MeterState
from .phases import SHOWN_WITHIN
from .readings import Status
from .settings import PhaseMode
from .wish import Wish


@dataclass(slots=True)
class Sky:
    """What is known of the surplus at one time, in a solar mode."""

    t: float
    meter: GridMeter
    surplus: float
    """W that are left for the charger and those after it."""
    discharging: float
    """W that the battery gives, which are no surplus."""
    start_threshold: float
    """W above the minimum that a start needs."""
    is_battery_unknown: bool


def solar(charger: Charger, sky: Sky, after: Sequence[Charger]) -> Wish:
    """Return what the surplus means for a charger.

    `after` are the chargers that charge and give way before this one pauses.
    """
    if not charger.most_a:
        charger.solar.turn(on=False)
        charger.plan.hold()
        return Wish(0.0, Reason.CEILING)
    if sky.meter.state is not MeterState.VALID:
        return _without_meter(charger, sky)
    if not charger.has_car:
        return _without_car(charger, sky)
    charger.update_wake_up(sky.t)
    result = _phases(charger, sky)
    range_ = charger.range(charger.phases(sky.t))
    charging = charger.solar
    if charger.is_entering and charger.draws and sky.surplus >= range_.least_w:
        charging.turn(on=True)
    charging.decide(
        sky.t,
        sky.surplus,
        charger.car.amps(sky.surplus, range_.phases),
        range_,
        always_on=charger.always_on,
        start_threshold=sky.start_threshold,
        may_stop=not after,
    )
    if charging.is_due_to_stop and after:
        after[-1].solar.turn(on=False)
    result.amps = charging.amps if charging.is_on else 0.0
    result.changes += [charging.next_change_at, charger.wake_up.next_change_at]
    if result.reason is not Reason.PHASE_BUDGET:
        result.reason = _reason(charger, sky, range_.most_w)
    return result


def _without_meter(charger: Charger, sky: Sky) -> Wish:
    """Return at most the minimum, or nothing once the meter is lost."""
    solar = charger.solar
    state = sky.meter.state
    is_on = solar.is_on and state is MeterState.MISSING
    if solar.is_on is not is_on:
        solar.turn(on=is_on)
    solar.hold()
    charger.plan.hold()
    solar.amps = charger.least_a
    reason = Reason.BATTERY if sky.is_battery_unknown else Reason.METER_LOST
    if state is MeterState.STARTING:
        reason = Reason.STARTING
    if charger.always_on:
        return Wish(charger.least_a, reason)
    if not is_on:
        return Wish(0.0, reason)
    return Wish(charger.least_a, reason, changes=[sky.meter.next_change_at])


def _without_car(charger: Charger, sky: Sky) -> Wish:
    """Return a pause, and one phase for the next session to begin with."""
    charger.solar.turn(on=False)
    charger.plan.hold()
    is_free = charger.status in {Status.AVAILABLE, Status.RESERVED}
    result = Wish(
        charger.least_a if charger.always_on else 0.0,
        Reason.CAR if is_free else Reason.CHARGER,
    )
    if is_free and charger.switches.mode is not PhaseMode.ONE:
        _switch(charger, sky.t, PhaseMode.ONE, sky.t, result)
    return result


def _phases(charger: Charger, sky: Sky) -> Wish:
    """Return the phases that are best for the surplus."""
    result = Wish(0.0, Reason.SUN)
    if not charger.may_switch or charger.wake_up.is_idle:
        charger.plan.hold()
        return result
    plan = charger.plan
    one, three = charger.range(1), charger.range(3)
    on_three = charger.phases_in(charger.switches.mode) == 3
    plan.compare(
        three.value(sky.surplus, always_on=charger.always_on)
        - one.value(sky.surplus, always_on=charger.always_on),
        on_three=on_three,
    )
    target = PhaseMode.ONE if on_three else PhaseMode.THREE
    _switch(charger, sky.t, target, plan.due_at(sky.t), result)
    return result


def _switch(
    charger: Charger, t: float, target: PhaseMode, due_at: float | None, result: Wish
) -> None:
    """Switch the phases, or say from when that will be due and allowed."""
    switches = charger.switches
    if not charger.is_readable or not charger.may_switch:
        return
    if waiting := switches.waiting(t):
        result.phase_mode = waiting
        result.changes.append(switches.asked_at + SHOWN_WITHIN)
        return
    if possible := switches.possible(t):
        result.changes.append(switches.asked_at + 2 * SHOWN_WITHIN)
        if possible is target:
            return
    if due_at is None:
        return
    # One is kept for the way back to one phase.
    allowed_at = switches.allowed_at(t, keep=1 if target is PhaseMode.THREE else 0)
    if allowed_at is None or allowed_at > t:
        if due_at <= t:
            result.reason = Reason.PHASE_BUDGET
        if allowed_at is not None:
            result.changes.append(max(due_at, allowed_at))
        return
    if due_at > t:
        result.changes.append(due_at)
        return
    switches.ask(t, target)
    result.phase_mode = target
    result.changes.append(t + SHOWN_WITHIN)


def _reason(charger: Charger, sky: Sky, most_w: float) -> Reason:
    """Return why the car gets what the surplus decided."""
    solar, car = charger.solar, charger.car
    if solar.is_short or not solar.is_on:
        if sky.discharging > 0 and solar.is_short:
            return Reason.BATTERY
        if solar.is_on and not charger.always_on:
            return Reason.PAUSING_SOON
        return Reason.WAITING_FOR_SUN
    if charger.wake_up.is_idle:
        return Reason.CAR
    if not charger.is_readable or charger.is_reduced(sky.t):
        return Reason.CHARGER
    if car.most_a is not None and solar.amps > car.most_a:
        return Reason.CAR
    if sky.surplus > most_w and solar.amps >= charger.most_a:
        return Reason.CEILING
    return Reason.SUN
