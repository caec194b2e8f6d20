"""What the surplus means for one charger."""

from collections.abc import Sequence

from .charger import Charger
from .conditions import Conditions
from .decision import Reason
from .meter import MeterState
from .phases import SHOWN_WITHIN
from .readings import Status
from .setpoint import Setpoint
from .settings import PhaseMode


def solar(
    charger: Charger, conditions: Conditions, after: Sequence[Charger]
) -> Setpoint:
    """Return what the surplus means for a charger.

    `after` are the chargers that charge and give way before this one pauses.
    """
    if not charger.most_a:
        charger.solar.turn(on=False)
        charger.plan.hold()
        return Setpoint(0.0, Reason.CEILING)
    if conditions.meter is not MeterState.VALID:
        return _without_meter(charger, conditions)
    if not charger.has_car:
        return _without_car(charger, conditions)
    charger.update_wake_up(conditions.t)
    result = _phases(charger, conditions)
    range_ = charger.range(charger.phases(conditions.t))
    charging = charger.solar
    if conditions.is_entering and charger.draws:
        # The meter may show less surplus than there is while the car follows another
        # limit: a pause that turns out to be needed is due soon.
        is_known = charger.answer == 0 or not charger.car.is_following(conditions.t)
        if not is_known or conditions.surplus >= range_.least_w:
            charging.turn(on=True)
    wanted = charger.car.amps(conditions.surplus, range_.phases)
    charging.decide(conditions, range_, wanted, may_stop=not after)
    if charging.is_due_to_stop and after:
        after[-1].solar.turn(on=False)
    result.amps = charging.amps if charging.is_on else 0.0
    result.changes += [charging.next_change_at, charger.wake_up.next_change_at]
    result.next_step_at = charging.next_step_at
    if result.reason is not Reason.PHASE_BUDGET:
        result.reason = _reason(charger, conditions, range_.most_w)
    return result


def _without_meter(charger: Charger, conditions: Conditions) -> Setpoint:
    """Return at most the minimum, or nothing once the meter is lost."""
    solar = charger.solar
    state = conditions.meter
    is_on = solar.is_on and state is MeterState.MISSING
    if solar.is_on is not is_on:
        solar.turn(on=is_on)
    solar.hold()
    charger.plan.hold()
    solar.amps = charger.least_a
    reason = Reason.BATTERY if conditions.is_battery_unknown else Reason.METER_LOST
    if state is MeterState.STARTING:
        reason = Reason.STARTING
    if conditions.always_on:
        return Setpoint(charger.least_a, reason)
    if not is_on:
        return Setpoint(0.0, reason)
    return Setpoint(charger.least_a, reason, changes=[conditions.meter_lost_at])


def _without_car(charger: Charger, conditions: Conditions) -> Setpoint:
    """Return a pause; the phases are left alone, as only a car tells what it needs."""
    charger.solar.turn(on=False)
    charger.plan.hold()
    is_free = charger.status in {Status.AVAILABLE, Status.RESERVED}
    return Setpoint(
        charger.least_a if conditions.always_on else 0.0,
        Reason.CAR if is_free else Reason.CHARGER,
    )


def _phases(charger: Charger, conditions: Conditions) -> Setpoint:
    """Return the phases that are best for the surplus."""
    result = Setpoint(0.0, Reason.SUN)
    if not charger.may_switch or charger.wake_up.is_idle:
        charger.plan.hold()
        return result
    plan = charger.plan
    one, three = charger.range(1), charger.range(3)
    on_three = charger.phases_in(charger.switches.mode) == 3
    plan.compare(
        three.value(conditions.surplus, always_on=conditions.always_on)
        - one.value(conditions.surplus, always_on=conditions.always_on),
        conditions.seconds,
        on_three=on_three,
    )
    target = PhaseMode.ONE if on_three else PhaseMode.THREE
    _switch(charger, conditions.t, target, plan.due_at(conditions.t), result)
    return result


def _switch(
    charger: Charger,
    t: float,
    target: PhaseMode,
    due_at: float | None,
    result: Setpoint,
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


def _reason(charger: Charger, conditions: Conditions, most_w: float) -> Reason:
    """Return why the car gets what the surplus decided."""
    solar, car = charger.solar, charger.car
    if solar.is_short or not solar.is_on:
        if conditions.discharging > 0 and solar.is_short:
            return Reason.BATTERY
        if solar.is_on and not conditions.always_on:
            return Reason.PAUSING_SOON
        return Reason.WAITING_FOR_SUN
    if charger.wake_up.is_idle:
        return Reason.CAR
    if not charger.is_readable or charger.is_reduced(conditions.t):
        return Reason.CHARGER
    if car.most_a is not None and solar.amps > car.most_a:
        return Reason.CAR
    if conditions.surplus > most_w and solar.amps >= charger.most_a:
        return Reason.CEILING
    return Reason.SUN
