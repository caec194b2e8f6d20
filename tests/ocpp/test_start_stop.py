"""START and STOP of a charger with both links."""

from homeassistant.components.switch import DOMAIN as SWITCH_DOMAIN
from homeassistant.const import (
    ATTR_ENTITY_ID,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_OFF,
    STATE_ON,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_load_integrations
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import start_stop
from custom_components.nexblue_local.const import CONF_START_AUTOMATICALLY, DOMAIN
from custom_components.nexblue_local.modbus.enums import StartStop
from custom_components.nexblue_local.modbus.registers import START_STOP
from custom_components.nexblue_local.surplus.settings import Mode
from simulator import Car, Simulator
from simulator.charge_point import ChargePoint
from simulator.charger import Ocpp
from tests.waiting import until

from .conftest import ocpp_entry, state

SWITCH = "switch.nexblue_delta_max_allow_charging"
CONTROL = "sensor.nexblue_delta_max_controlled_by"
LIMITED_BY = "sensor.nexblue_delta_max_limited_by"


async def turn(hass: HomeAssistant, service: str) -> None:
    """Turn the switch on or off."""
    await hass.services.async_call(
        SWITCH_DOMAIN, service, {ATTR_ENTITY_ID: SWITCH}, blocking=True
    )


async def refresh(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Poll the charger."""
    await entry.runtime_data.coordinator.async_refresh()
    await hass.async_block_till_done()


def commands_over_modbus(simulator: Simulator) -> list[object]:
    """Return the writes of register 1006."""
    return [
        request
        for request in simulator.log
        if request.function in (0x06, 0x10) and request.address == START_STOP.address
    ]


def starts(charge_point: ChargePoint) -> int:
    """Return how often the charge point was asked to start."""
    return [action for action, _ in charge_point.log].count("RemoteStartTransaction")


async def test_over_ocpp(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
) -> None:
    """Connected, both go over OCPP and show in the registers; nothing is stored."""
    simulator.charger.plug_in(Car())
    await refresh(hass, linked)
    assert state(hass, SWITCH).state == STATE_OFF
    assert state(hass, SWITCH).attributes["link"] == "ocpp"
    assert state(hass, CONTROL).attributes["start_stop_link"] == "ocpp"
    assert state(hass, LIMITED_BY).state == "no_transaction"
    await turn(hass, SERVICE_TURN_ON)
    await until(lambda: state(hass, SWITCH).state == STATE_ON)
    assert [action for action, _ in charge_point.log][-1] == "RemoteStartTransaction"
    await until(lambda: simulator.charger.settings["start_stop"] is StartStop.START)
    await turn(hass, SERVICE_TURN_OFF)
    await until(lambda: state(hass, SWITCH).state == STATE_OFF)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP
    with pytest.raises(HomeAssistantError, match="No charging session"):
        await turn(hass, SERVICE_TURN_OFF)
    assert not commands_over_modbus(simulator)
    assert linked.runtime_data.controller.control.state.desired.start_stop is None


async def test_link_lost(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lost a moment ago, both fail; later they go over Modbus, and are not repeated."""
    simulator.charger.plug_in(Car())
    charge_point.retry_after = 1.0
    await charge_point.go_offline(30)
    await until(lambda: state(hass, SWITCH).attributes["link"] == "ocpp_lost")
    with pytest.raises(HomeAssistantError, match="OCPP link to the charger was lost"):
        await turn(hass, SERVICE_TURN_ON)
    assert not commands_over_modbus(simulator)
    monkeypatch.setattr(start_stop, "GONE_AFTER", 0.0)
    await turn(hass, SERVICE_TURN_OFF)
    assert len(commands_over_modbus(simulator)) == 1
    assert state(hass, SWITCH).attributes["link"] == "modbus"
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(HomeAssistantError, match="sent over Modbus: "):
        await turn(hass, SERVICE_TURN_ON)
    hass.config.language = "de"
    # Home Assistant does so when it starts.
    await async_load_integrations(hass, {DOMAIN})
    with pytest.raises(HomeAssistantError) as raised:
        await turn(hass, SERVICE_TURN_ON)
    assert raised.value.translation_placeholders is not None
    detail = raised.value.translation_placeholders["detail"]
    assert detail.startswith("Die Ladestation hat Start oder Stopp verweigert")
    sent = len(charge_point.log)
    await charge_point.go_offline(0)
    await until(lambda: charge_point.is_connected)
    assert "Remote" not in "".join(action for action, _ in charge_point.log[sent:])
    # What was asked for over Modbus is not restored against what OCPP does.
    control = linked.runtime_data.controller.control
    await until(lambda: control.state.desired.start_stop is None)
    await turn(hass, SERVICE_TURN_ON)
    assert control.state.desired.start_stop is None


async def test_back_before_the_set_up(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A STOP over Modbus is not restored if OCPP came back before the set-up."""
    simulator.charger.plug_in(Car())
    monkeypatch.setattr(start_stop, "GONE_AFTER", 0.0)
    await charge_point.go_offline(30)
    await until(lambda: state(hass, SWITCH).attributes["link"] == "modbus")
    await turn(hass, SERVICE_TURN_OFF)
    assert await hass.config_entries.async_unload(linked.entry_id)
    await charge_point.go_offline(0)
    await until(lambda: charge_point.is_connected)
    assert await hass.config_entries.async_setup(linked.entry_id)
    await refresh(hass, linked)
    control = linked.runtime_data.controller.control
    assert control.state.desired.start_stop is None
    assert len(commands_over_modbus(simulator)) == 1


async def test_over_modbus_only(
    hass: HomeAssistant, entry: MockConfigEntry, simulator: Simulator
) -> None:
    """A charger without OCPP shows no link."""
    assert "link" not in state(hass, SWITCH).attributes
    await turn(hass, SERVICE_TURN_ON)
    assert len(commands_over_modbus(simulator)) == 1


async def start_automatically(
    hass: HomeAssistant,
    back_end: MockConfigEntry,
    charge_point: ChargePoint,
    *,
    is_on: bool,
) -> None:
    """Choose whether vehicles that wait are started, and wait for the connection."""
    wanted = ocpp_entry(**{CONF_START_AUTOMATICALLY: is_on})
    hass.config_entries.async_update_entry(back_end, data=wanted.data)
    await hass.config_entries.async_reload(back_end.entry_id)
    await until(lambda: charge_point.is_connected)


@pytest.mark.parametrize("is_on", [True, False])
async def test_start_automatically(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
    *,
    is_on: bool,
) -> None:
    """A vehicle that waits is started once, if the user wants that."""
    await start_automatically(hass, back_end, charge_point, is_on=is_on)

    simulator.charger.plug_in(Car())
    await until(lambda: charge_point._shown_status == "Preparing")
    if not is_on:
        assert starts(charge_point) == 0
        return
    await until(lambda: state(hass, SWITCH).state == STATE_ON)
    await turn(hass, SERVICE_TURN_OFF)
    await until(lambda: charge_point.transaction is None)
    # Another look at the vehicle, also after a restart, starts nothing.
    assert await hass.config_entries.async_reload(back_end.entry_id)
    await until(lambda: charge_point.is_connected)
    assert starts(charge_point) == 1
    simulator.charger.unplug()
    await until(lambda: charge_point._shown_status == "Available")
    simulator.charger.plug_in(Car())
    await until(lambda: starts(charge_point) == 2)


async def test_start_when_the_mode_leaves_off(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
) -> None:
    """A vehicle that waits is started as the mode allows it, not at the next message."""
    await start_automatically(hass, back_end, charge_point, is_on=True)
    charging = linked.runtime_data.controller.charging
    await charging.async_set_mode(Mode.OFF)
    simulator.charger.plug_in(Car())
    status = "sensor.nexblue_delta_max_ocpp_status"
    await until(lambda: state(hass, status).state == "preparing")
    await refresh(hass, linked)
    assert starts(charge_point) == 0
    await charging.async_set_mode(Mode.MANUAL)
    await until(lambda: state(hass, SWITCH).state == STATE_ON)
    assert starts(charge_point) == 1
