"""A charger that takes only part of what is restored, on real sockets."""

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus.enums import StartStop
from simulator import Ocpp, Simulator
from tests.commands import LIMIT, PREFIX, STOP, intent
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")


async def test_start_stop_is_refused_on_restoring(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What is refused is shown and passed over; the limit is restored all the same."""
    await LIMIT.give(hass)
    await STOP.give(hass)
    simulator.charger.ocpp = Ocpp.REFUSE
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 10.5
    assert simulator.charger.settings["start_stop"] is StartStop.START
    assert intent(entry)["start_stop"] is StartStop.STOP
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
