"""What outlives a restart: the modes and what was learned, never a decision."""

from collections.abc import Mapping, Sequence
import math
from typing import Any

from .car import NOMINAL_V, PLAUSIBLE_V, Car
from .charger import Charger
from .settings import LARGEST, Mode, PhaseMode


class InvalidState(ValueError):
    """A stored state cannot be understood."""


def dump(chargers: Sequence[Charger]) -> dict[str, Any]:
    """Return what is stored, as JSON."""
    return {
        "chargers": {
            charger.settings.id: {
                "mode": charger.mode.value,
                "ceiling_a": charger.changed_ceiling_a,
                "volts": charger.car.volts,
                "gap_a": charger.car.gap_a,
                "most_a": charger.car.most_a,
                "awake_a": charger.car.awake_a,
                "one_phase_in": charger.car.one_phase_in,
                "switches": list(charger.switches.times),
                "switches_in_session": charger.switches.in_session,
            }
            for charger in chargers
        },
    }


def restore(state: Mapping[str, Any], chargers: Sequence[Charger]) -> None:
    """Restore the modes and what was learned; raises InvalidState."""
    chargers_stored = state.get("chargers")
    stored = _mapping({} if chargers_stored is None else chargers_stored, "chargers")
    try:
        for charger in chargers:
            fields = stored.get(charger.settings.id)
            if fields is not None:
                _restore(_mapping(fields, "a charger"), charger)
    except (TypeError, ValueError) as error:
        raise InvalidState(f"state: {error}") from error


def _restore(fields: Mapping[str, Any], charger: Charger) -> None:
    """Restore what was learned of one charger."""
    if fields.get("mode") is not None:
        charger.set_mode(Mode(fields["mode"]))
    ceiling = _number(fields, "ceiling_a", 0.0, LARGEST)
    if ceiling is not None:
        charger.changed_ceiling_a = ceiling
        # The lower one, as either may be the newer one.
        charger.limit_to(min(charger.ceiling_a, ceiling))
    volts = _number(fields, "volts", *PLAUSIBLE_V)
    one_phase_in = fields.get("one_phase_in")
    charger.car = Car(
        volts=NOMINAL_V if volts is None else volts,
        gap_a=_number(fields, "gap_a", 0.0, LARGEST) or 0.0,
        most_a=_number(fields, "most_a", 0.0, LARGEST),
        awake_a=_number(fields, "awake_a", 0.0, LARGEST),
        one_phase_in=None if one_phase_in is None else PhaseMode(one_phase_in),
    )
    switches = fields.get("switches") or []
    if not isinstance(switches, list):
        raise TypeError("switches must be a list")
    count = _number(fields, "switches_in_session", 0.0, LARGEST) or 0.0
    charger.switches.restore(
        [_finite(each, "switches") for each in switches], math.ceil(count)
    )


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidState(f"state: {name} must be an object")
    return value


def _finite(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be numbers")
    if not abs(value) <= 1e12:
        raise ValueError(f"{name} must be finite")
    return float(value)


def _number(
    fields: Mapping[str, Any], name: str, least: float, most: float
) -> float | None:
    """Return a field within its range, None if it is missing."""
    if fields.get(name) is None:
        return None
    value = _finite(fields[name], name)
    if not least <= value <= most:
        raise ValueError(f"{name} must be between {least:g} and {most:g}")
    return value
