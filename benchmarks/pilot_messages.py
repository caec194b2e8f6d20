"""The lines of `benchmarks.pilot`: JSON in, settings and readings out, and back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
import json
import math
from typing import Any, Final

from custom_components.nexblue_local.surplus.decision import Decision
from custom_components.nexblue_local.surplus.readings import (
    Changes,
    ChargerReading,
    Phases,
    Reading,
    Status,
)
from custom_components.nexblue_local.surplus.settings import (
    Battery,
    ChargerSettings,
    Fuse,
    Mode,
    PhaseMode,
    Restarts,
    Settings,
)

type Fields = Mapping[str, Any]

LARGEST: Final = 1e12
"""Larger numbers are no measurements."""


class InvalidMessage(ValueError):
    """A line cannot be understood."""


def parse(line: bytes) -> Fields:
    """Return the object in a line; raises InvalidMessage."""
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"not JSON: {type(error).__name__}") from error
    return _object(value, "a line")


def _object(value: object, name: str) -> Fields:
    if not isinstance(value, dict):
        raise InvalidMessage(f"{name} must be an object")
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidMessage(f"{name} must be a list")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidMessage(f"{name} must be a text")
    return value


def _boolean(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidMessage(f"{name} must be true or false")
    return value


def _real(value: object, name: str) -> float:
    """Return a number, which may be infinite or none (NaN)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidMessage(f"{name} must be a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number(value: object, name: str) -> float:
    """Return a finite number."""
    number = _real(value, name)
    if not abs(number) <= LARGEST:
        raise InvalidMessage(f"{name} is out of range")
    return number


def _integer(value: object, name: str) -> int:
    number = _number(value, name)
    if number != int(number):
        raise InvalidMessage(f"{name} must be a whole number")
    return int(number)


def _choice[Choice: StrEnum](
    choices: type[Choice],
) -> Callable[[object, str], Choice]:
    def convert(value: object, name: str) -> Choice:
        try:
            return choices(_text(value, name))
        except ValueError as error:
            known = ", ".join(choices)
            raise InvalidMessage(f"{name} must be one of {known}") from error

    return convert


def _numbers(value: object, name: str) -> tuple[float, ...]:
    return tuple(_number(each, name) for each in _list(value, name))


def _rotation(value: object, name: str) -> tuple[int, int, int]:
    first, second, third = _three(value, name)
    return (_integer(first, name), _integer(second, name), _integer(third, name))


def _three(value: object, name: str) -> list[Any]:
    values = _list(value, name)
    if len(values) != 3:
        raise InvalidMessage(f"{name} must have three elements")
    return values


def _phases(value: object, name: str) -> Phases:
    first, second, third = (
        None if each is None else _number(each, name) for each in _three(value, name)
    )
    return first, second, third


def _fuse(value: object, name: str) -> Fuse:
    return Fuse(**_given(_object(value, name), FUSE))


def _battery(value: object, name: str) -> Battery:
    return Battery(**_given(_object(value, name), BATTERY))


def _charger_settings(value: object, name: str) -> tuple[ChargerSettings, ...]:
    return tuple(
        ChargerSettings(id=_id(each), **_given(each, CHARGER_SETTINGS))
        for each in (_object(each, name) for each in _list(value, name))
    )


def _charger_readings(value: object, name: str) -> tuple[ChargerReading, ...]:
    readings = tuple(
        ChargerReading(id=_id(each), **_given(each, CHARGER_READING))
        for each in (_object(each, name) for each in _list(value, name))
    )
    if len({each.id for each in readings}) < len(readings):
        raise InvalidMessage("a charger is given twice")
    return readings


def _id(fields: Fields) -> str:
    return _text(fields.get("id"), "id")


def _ceilings(value: object, name: str) -> dict[str, float]:
    return {
        charger: _ceiling(amps, name)
        for charger, amps in _object(value, name).items()
        if amps is not None
    }


def _ceiling(value: object, name: str) -> float:
    amps = _number(value, name)
    if amps < 0:
        raise InvalidMessage(f"{name} is out of range")
    return amps


def _changes(value: object, name: str, chargers: Iterable[str]) -> Changes:
    given = _given(_object(value, name), CHANGES)
    if "mode" in given:
        given["mode"] = dict.fromkeys(chargers, given["mode"])
    return Changes(**given)


type Converters = Mapping[str, Callable[[Any, str], object]]

FUSE: Final[Converters] = {"main_a": _number, "margin_a": _number}
BATTERY: Final[Converters] = {"car_first_above_soc": _number}
CHARGER_SETTINGS: Final[Converters] = {
    "ceiling_a": _number,
    "min_a": _number,
    "supply_phases": _integer,
    "can_switch": _boolean,
    "rotation": _rotation,
    "phase_mode": _choice(PhaseMode),
    "switches": _numbers,
}
SETTINGS: Final[Converters] = {
    "start_threshold_w": _number,
    "export_kept_w": _number,
    "import_tolerated_w": _number,
    "fuse": _fuse,
    "battery": _battery,
    "restarts": _choice(Restarts),
    "chargers": _charger_settings,
}
CHARGER_READING: Final[Converters] = {
    "at": _number,
    "status": _choice(Status),
    "power_w": _phases,
    "current_a": _phases,
    "voltage_v": _phases,
    "offered_a": _number,
    "phase_mode": _choice(PhaseMode),
}
CHANGES: Final[Converters] = {"mode": _choice(Mode), "ceiling_a": _ceilings}
READING: Final[Converters] = {
    # A value that is no number is a meter that is missing, not a line that is wrong.
    "grid_w": _real,
    "grid_at": _number,
    "house_a": _phases,
    "house_at": _number,
    "battery_w": _number,
    "battery_soc": _number,
    "chargers": _charger_readings,
}


def _given(fields: Fields, converters: Converters) -> dict[str, Any]:
    """Return the fields that are there and not null."""
    return {
        name: convert(value, name)
        for name, convert in converters.items()
        if (value := fields.get(name)) is not None
    }


def settings(fields: Fields) -> Settings:
    """Return the settings in the first line; raises ValueError."""
    version = fields.get("pilot")
    if version is not None and _integer(version, "pilot") != 1:
        raise InvalidMessage("pilot must be 1")
    given = _given(fields, SETTINGS)
    if not given.get("chargers"):
        raise InvalidMessage("chargers must not be empty")
    if (mode := fields.get("mode")) is not None:
        # The mode of all chargers.
        mode = _choice(Mode)(mode, "mode")
        given["chargers"] = tuple(
            replace(each, mode=mode) for each in given["chargers"]
        )
    return Settings(**given)


def state(fields: Fields) -> Fields | None:
    """Return the stored state in the first line; raises ValueError."""
    value = fields.get("state")
    return None if value is None else _object(value, "state")


def time(fields: Fields) -> float:
    """Return the time of a line in s; raises ValueError."""
    return _number(fields.get("t"), "t")


def wants_dump(fields: Fields) -> bool:
    """Return whether a line asks for the state; raises ValueError."""
    value = fields.get("dump")
    return value is not None and _boolean(value, "dump")


def reading(fields: Fields, chargers: Iterable[str]) -> Reading:
    """Return the reading in a line, for chargers by their id; raises ValueError."""
    changes = fields.get("set")
    return Reading(
        t=time(fields),
        changes=None if changes is None else _changes(changes, "set", chargers),
        **_given(fields, READING),
    )


def answer(decision: Decision) -> Fields:
    """Return what a decision is answered with."""
    return {
        "t": decision.t,
        "chargers": [
            {
                "id": charger.id,
                "current_a": charger.current_a,
                "phase_mode": charger.phase_mode,
                "reason": charger.reason,
                "next_change_at": charger.next_change_at,
            }
            for charger in decision.chargers
        ],
    }
