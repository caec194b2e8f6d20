"""What the user wants of a charger beside its settings, as it is stored."""

import json
from typing import Any

import pytest

from custom_components.nexblue_local.charging import ChargeSettings
from custom_components.nexblue_local.control.state import DamagedRecord
from custom_components.nexblue_local.surplus.settings import Mode

SETTINGS = ChargeSettings(
    mode=Mode.SOLAR_MIN,
    is_fast_until_unplugged=True,
    stop_after_energy=7.5,
    has_fuse=True,
    found_limit=13.0,
)


def test_stored() -> None:
    """It is read as it was written; a record of an earlier version has none of it."""
    record = json.loads(json.dumps({"charging": SETTINGS.as_dict()}))
    assert ChargeSettings.from_record(record) == SETTINGS
    assert ChargeSettings.from_record({"desired": {}}) == ChargeSettings()


@pytest.mark.parametrize(
    "damage",
    [
        {"mode": "sun"},
        {"mode": None},
        {"is_fast_until_unplugged": 1},
        {"stop_after_energy": "x"},
        {"stop_after_energy": float("nan")},
        {"has_fuse": None},
        {"found_limit": True},
    ],
)
def test_damaged(damage: dict[str, Any]) -> None:
    """A record that cannot be understood is an error, like any of control."""
    with pytest.raises(DamagedRecord):
        ChargeSettings.from_record({"charging": SETTINGS.as_dict() | damage})
    for missing in damage:
        record = SETTINGS.as_dict()
        del record[missing]
        with pytest.raises(DamagedRecord):
            ChargeSettings.from_record({"charging": record})
