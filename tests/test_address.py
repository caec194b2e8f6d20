"""Test where the Modbus address of a config entry is found."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.address import ModbusAddress, modbus_address
from custom_components.nexblue_local.const import DOMAIN

FLAT = {"host": "10.0.0.1", "port": 502}
NESTED = {"modbus": {"host": "10.0.0.2", "port": 5020, "unit_id": 7}}


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (NESTED, ModbusAddress("10.0.0.2", 5020, 7)),
        ({**NESTED, "charge_point_id": "charger"}, ModbusAddress("10.0.0.2", 5020, 7)),
        (FLAT, ModbusAddress("10.0.0.1", 502, 200)),
        ({**FLAT, **NESTED}, ModbusAddress("10.0.0.2", 5020, 7)),
        ({}, None),
        ({"charge_point_id": "charger"}, None),
        ({"modbus": None}, None),
        ({"modbus": {"host": "10.0.0.2"}}, None),
        ({"modbus": {"host": "10.0.0.2", "port": "502"}}, None),
        ({"modbus": {"host": None, "port": 502}}, None),
        ({"modbus": {**FLAT, "unit_id": "7"}}, None),
    ],
)
def test_modbus_address(data: dict[str, Any], address: ModbusAddress | None) -> None:
    """It is nested, or flat in the entry of an ignored discovery."""
    entry = MockConfigEntry(domain=DOMAIN, data=data)
    assert modbus_address(entry) == address


def test_entry_data() -> None:
    """An address is read back as it was stored."""
    address = ModbusAddress("10.0.0.2", 5020, 7)
    data = address.as_entry_data()
    assert data == NESTED
    assert modbus_address(MockConfigEntry(domain=DOMAIN, data=data)) == address
