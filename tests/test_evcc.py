"""The YAML for evcc: each entity exists, and takes and gives what evcc needs.

What evcc reads and calls is taken from its charger `homeassistant`.
"""

import asyncio
from pathlib import Path
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus.enums import ChargePointState, PhaseMode
from simulator import Car, Simulator

from .commands import intent
from .test_init import poll

pytestmark = pytest.mark.usefixtures("quick_commands", "all_entities_on")

PAGE = (Path(__file__).parent.parent / "docs" / "evcc.md").read_text()
BLOCKS: list[Any] = [
    parse_yaml(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]
TEMPLATES, EVCC = BLOCKS

BUILT_IN = {"charging": "C", "a": "A", "b": "B", "c": "C"}
"""States that evcc maps without being told, of those that matter here."""

DOMAINS = {
    "status": "sensor",
    "enabled": "switch",
    "enable": "switch",
    "setMaxCurrent": "number",
    "phaseswitch": "select",
}
"""Domains of the entities; the others are sensors."""

UNITS = {"power": "W", "energy": "kWh", "currentL1": "A", "voltageL1": "V"}


@pytest.fixture
async def charger(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    """Return evcc's charger, with the entities for it in Home Assistant."""
    assert await async_setup_component(hass, "template", TEMPLATES)
    await hass.async_block_till_done()
    (charger,) = EVCC["chargers"]
    assert isinstance(charger, dict)
    return charger


def read(hass: HomeAssistant, entity_id: str) -> str:
    """Return a state as evcc reads it, which has to be known."""
    found = hass.states.get(entity_id)
    assert found is not None, entity_id
    assert found.state not in ("unknown", "unavailable"), entity_id
    return found.state


async def call(hass: HomeAssistant, entity_id: str, service: str, **data: Any) -> None:
    """Call an action as evcc does: that of the entity's domain."""
    await hass.services.async_call(
        entity_id.split(".", maxsplit=1)[0],
        service,
        {"entity_id": entity_id, **data},
        blocking=True,
    )
    await asyncio.sleep(0.1)
    await hass.async_block_till_done()


def statuses(charger: dict[str, Any]) -> dict[str, str]:
    """Return what evcc makes of each state."""
    told = {
        state.strip(): status
        for status in "ABC"
        for state in charger[f"status{status}"].split(",")
    }
    return BUILT_IN | told


def test_status(charger: dict[str, Any]) -> None:
    """Each state has a status, but for those in which nothing can be done."""
    found = statuses(charger)
    expected = {
        ChargePointState.AVAILABLE: "A",
        ChargePointState.RESERVED: "A",
        ChargePointState.PREPARING: "B",
        ChargePointState.SUSPENDED_EVSE: "B",
        ChargePointState.SUSPENDED_EV: "B",
        ChargePointState.FINISHING: "B",
        ChargePointState.CHARGING: "C",
        ChargePointState.INOPERATIVE: None,
        ChargePointState.FAULTED: None,
    }
    assert set(expected) == set(ChargePointState)
    for state, status in expected.items():
        assert found.get(state.name.lower()) == status


async def test_entities(
    hass: HomeAssistant, simulator: Simulator, charger: dict[str, Any]
) -> None:
    """Each exists in its domain, with a number and a unit where evcc needs one."""
    entities = {
        key: value
        for key, value in charger.items()
        if re.fullmatch(r"[a-z]+\.[a-z0-9_]+", str(value))
    }
    assert len(entities) == 13
    for key, entity_id in entities.items():
        assert entity_id.split(".")[0] == DOMAINS.get(key, "sensor"), key
        if key not in DOMAINS:
            float(read(hass, entity_id))
    for key, unit in UNITS.items():
        found = hass.states.get(entities[key])
        assert found is not None
        assert found.attributes["unit_of_measurement"] == unit


async def test_a_session(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    charger: dict[str, Any],
) -> None:
    """It is disabled, gets a current, is enabled and disabled, as evcc does it."""
    status, found = charger["status"], statuses(charger)
    settings = simulator.charger.settings
    assert found[read(hass, status)] == "A"
    await call(hass, charger["enable"], "turn_off")
    assert read(hass, charger["enabled"]) == "off"
    assert settings["current_limit"] == 0.0
    simulator.charger.plug_in(Car(ramp=1000, phases=3))
    simulator.charger._preparing_until = 0
    await poll(hass, entry)
    assert found[read(hass, status)] == "B"
    # A current comes before it is enabled, and in fractions of an ampere.
    await call(hass, charger["setMaxCurrent"], "set_value", value=7.357)
    await call(hass, charger["enable"], "turn_on")
    assert read(hass, charger["enabled"]) == "on"
    assert settings["current_limit"] == pytest.approx(7.4)
    await poll(hass, entry)
    assert found[read(hass, status)] == "C"
    await call(hass, charger["enable"], "turn_off")
    await poll(hass, entry)
    assert found[read(hass, status)] == "B"
    # Without a current, it is the least.
    await call(hass, charger["enable"], "turn_on")
    assert settings["current_limit"] == 6.0
    # What it did is not undone when the car is gone, and no STOP is left.
    await call(hass, charger["enable"], "turn_off")
    simulator.charger.unplug()
    await poll(hass, entry)
    assert read(hass, charger["enabled"]) == "off"
    assert "start_stop" not in intent(entry)


async def test_phases(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    charger: dict[str, Any],
) -> None:
    """They are shown as a number, switched, and refused over the budget."""
    phases = charger["phaseswitch"]
    assert read(hass, phases) == "3"
    await call(hass, phases, "select_option", option="1")
    assert simulator.charger.settings["phase_mode"] is PhaseMode.SINGLE_PHASE
    assert read(hass, phases) == "1"
    with pytest.raises((HomeAssistantError, ServiceValidationError)):
        await call(hass, phases, "select_option", option="3")
    assert simulator.charger.settings["phase_mode"] is PhaseMode.SINGLE_PHASE
    assert read(hass, phases) == "1"


async def test_too_much(
    hass: HomeAssistant, simulator: Simulator, charger: dict[str, Any]
) -> None:
    """More than the app's maximum is refused."""
    before = simulator.charger.settings["current_limit"]
    with pytest.raises(ServiceValidationError):
        await call(hass, charger["setMaxCurrent"], "set_value", value=32)
    assert simulator.charger.settings["current_limit"] == before
