"""What the modes without sun want for a charger."""

from .charger import Charger
from .decision import Reason
from .phases import SHOWN_WITHIN
from .setpoint import Setpoint
from .settings import PhaseMode


def manual() -> Setpoint:
    """Leave the charger alone."""
    return Setpoint(None, Reason.MANUAL)


def off() -> Setpoint:
    """Pause."""
    return Setpoint(0.0, Reason.OFF)


def fast(charger: Charger, t: float) -> Setpoint:
    """Charge with the user's limit, on three phases as soon as they are allowed."""
    if not charger.most_a:
        return Setpoint(0.0, Reason.CEILING)
    result = Setpoint(charger.most_a, Reason.FAST)
    switches = charger.switches
    if not (charger.is_readable and charger.has_car and charger.may_switch):
        return result
    if waiting := switches.waiting(t):
        result.phase_mode = waiting
        result.changes.append(switches.asked_at + SHOWN_WITHIN)
    elif switches.mode is PhaseMode.ONE:
        allowed_at = switches.allowed_at(t)
        if allowed_at is not None and allowed_at <= t:
            switches.ask(t, PhaseMode.THREE)
            result.phase_mode = PhaseMode.THREE
            allowed_at = t + SHOWN_WITHIN
        result.changes.append(allowed_at)
    return result
