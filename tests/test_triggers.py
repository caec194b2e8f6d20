"""Triggers and conditions in automations, on real sockets."""

import asyncio
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.components.common import (
    TargetSupport,
    assert_conditions_target_support,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.nexblue_local.condition import CONDITIONS
from custom_components.nexblue_local.modbus.enums import ChargerErrors
from custom_components.nexblue_local.trigger import TRIGGERS
from simulator import Car, Simulator
from tests.commands import LIMIT, age_keep_alive, entity_id_of, wake_keep_alive
from tests.test_init import poll, state
from tests.test_services import device_of

pytestmark = pytest.mark.usefixtures("quick_commands")


OPTIONS: dict[str, dict[str, Any]] = {
    "charge_mode_changed": {"mode": ["solar", "fast"]},
    "surplus_crossed_threshold": {
        "threshold": {
            "type": "above",
            "value": {"number": 1.5, "unit_of_measurement": "kW"},
        }
    },
}
"""What the user has to say about a trigger."""


async def automate(
    hass: HomeAssistant, device: str | list[str], *triggers: str, **automation: Any
) -> list[ServiceCall]:
    """Set up an automation, and return the list of its actions to come."""
    calls: list[ServiceCall] = async_mock_service(hass, "test", "triggered")
    assert await async_setup_component(
        hass,
        "automation",
        {
            "automation": {
                "triggers": [
                    {
                        "trigger": f"nexblue_local.{trigger}",
                        "target": {"device_id": device},
                        "options": {}
                        if trigger == "session_ended"
                        else {"behavior": "each", **OPTIONS.get(trigger, {})},
                        "id": trigger,
                    }
                    for trigger in triggers
                ],
                "actions": {
                    "action": "test.triggered",
                    "data": {"id": "{{ trigger.id }}"},
                },
                "mode": "queued",
                **automation,
            }
        },
    )
    await hass.async_block_till_done()
    return calls


def triggered(calls: list[ServiceCall]) -> list[str]:
    """Return the triggers since the last call."""
    ids = [call.data["id"] for call in calls]
    calls.clear()
    return ids


async def settle(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Give the car time, and poll."""
    await asyncio.sleep(0.1)
    await poll(hass, entry)


async def test_triggers(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Each triggers once, at its beginning."""
    calls = await automate(hass, device_of(hass, entry), *TRIGGERS)
    charger = simulator.charger
    charger.plug_in(Car(ramp=1000))
    await settle(hass, entry)
    assert triggered(calls) == ["vehicle_connected"]
    charger._preparing_until = 0
    await settle(hass, entry)
    await settle(hass, entry)
    assert triggered(calls) == ["started_charging"]
    charger.errors = ChargerErrors.TEMPERATURE
    await settle(hass, entry)
    assert sorted(triggered(calls)) == ["fault", "stopped_charging"]
    charger.errors = ChargerErrors(0)
    charger.unplug()
    await settle(hass, entry)
    assert triggered(calls) == ["vehicle_disconnected"]
    charger.fallback_active = True
    await settle(hass, entry)
    await settle(hass, entry)
    assert triggered(calls) == ["fallback_engaged"]


async def test_an_outage_triggers_nothing_but_what_changed(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The state after an outage is compared with the one before."""
    simulator.charger.plug_in(Car())
    await settle(hass, entry)
    calls = await automate(hass, device_of(hass, entry), *TRIGGERS)
    for changes in (False, True):
        await simulator.stop()
        await poll(hass, entry)
        assert (
            state(hass, entity_id_of(hass, "binary_sensor", "vehicle_connected"))
            == STATE_UNAVAILABLE
        )
        if changes:
            simulator.charger.unplug()
        await simulator.start()
        await settle(hass, entry)
        assert triggered(calls) == (["vehicle_disconnected"] if changes else [])


async def test_a_reload_triggers_nothing(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The same for a reload."""
    simulator.charger.plug_in(Car())
    await settle(hass, entry)
    calls = await automate(hass, device_of(hass, entry), *TRIGGERS)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await settle(hass, entry)
    assert triggered(calls) == []


async def test_a_fallback_in_an_outage(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It triggers although control has ended it by the time of the next poll."""
    await LIMIT.give(hass)
    calls = await automate(hass, device_of(hass, entry), "fallback_engaged")
    await simulator.stop()
    await poll(hass, entry)
    simulator.charger.fallback_active = True
    await simulator.start()
    # The keep-alive, rather than a poll, finds the charger again.
    age_keep_alive(entry, 1e6)
    wake_keep_alive(entry)
    async with asyncio.timeout(5):
        while True:
            if not simulator.charger.fallback_active:
                break
            await asyncio.sleep(0.01)
    await hass.async_block_till_done()
    await poll(hass, entry)
    assert state(hass, entity_id_of(hass, "binary_sensor", "fallback_active")) == "off"
    assert triggered(calls) == ["fallback_engaged"]


async def test_renamed_and_disabled(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A renamed entity triggers as before, a disabled one does not."""
    registry = er.async_get(hass)
    vehicle = entity_id_of(hass, "binary_sensor", "vehicle_connected")
    registry.async_update_entity(vehicle, new_entity_id="binary_sensor.garage")
    await hass.async_block_till_done()
    calls = await automate(hass, device_of(hass, entry), *TRIGGERS)
    simulator.charger.plug_in(Car())
    await settle(hass, entry)
    assert state(hass, "binary_sensor.garage") == "on"
    assert triggered(calls) == ["vehicle_connected"]
    registry.async_update_entity(
        "binary_sensor.garage", disabled_by=er.RegistryEntryDisabler.USER
    )
    await hass.async_block_till_done()
    simulator.charger.unplug()
    await settle(hass, entry)
    assert triggered(calls) == []


async def test_other_entities_do_not_trigger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Not a warning for a fault, and not a binary sensor of another integration."""
    registry = er.async_get(hass)
    stranger = registry.async_get_or_create(
        "binary_sensor",
        "other",
        "charging",
        translation_key="charging",
        device_id=device_of(hass, entry),
    )
    hass.states.async_set(stranger.entity_id, "off")
    calls = await automate(
        hass, device_of(hass, entry), "fault", "started_charging", "fallback_engaged"
    )
    hass.states.async_set(stranger.entity_id, "on")
    simulator.overrides[401] = 1
    await settle(hass, entry)
    assert state(hass, entity_id_of(hass, "binary_sensor", "warning")) == "on"
    assert triggered(calls) == []


@pytest.mark.parametrize(
    ("condition", "key"),
    [("is_charging", "charging"), ("vehicle_is_connected", "vehicle_connected")],
)
async def test_conditions(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    condition: str,
    key: str,
) -> None:
    """They pass while the binary sensor is on, and fail while it is unavailable."""
    calls = await automate(
        hass,
        device_of(hass, entry),
        triggers=[{"trigger": "event", "event_type": "ask", "id": "asked"}],
        conditions={
            "condition": f"nexblue_local.{condition}",
            "target": {"device_id": device_of(hass, entry)},
            "options": {"behavior": "any"},
        },
    )

    async def asked() -> bool:
        hass.bus.async_fire("ask")
        await hass.async_block_till_done()
        return triggered(calls) == ["asked"]

    assert not await asked()
    simulator.charger.plug_in(Car(ramp=1000))
    simulator.charger._preparing_until = 0
    await settle(hass, entry)
    await settle(hass, entry)
    assert state(hass, entity_id_of(hass, "binary_sensor", key)) == "on"
    assert await asked()
    await simulator.stop()
    await poll(hass, entry)
    assert not await asked()


@pytest.mark.parametrize(
    ("kind", "keys"), [("triggers", set(TRIGGERS)), ("conditions", set(CONDITIONS))]
)
async def test_offered_for_a_charger(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    kind: str,
    keys: set[str],
) -> None:
    """The automation editor offers all of them, whatever the user has changed."""
    charging = entity_id_of(hass, "binary_sensor", "charging")
    er.async_get(hass).async_update_entity(charging, device_class="running")
    assert await async_setup_component(hass, "automation", {})
    client = await hass_ws_client()
    await client.send_json_auto_id(
        {
            "type": f"get_{kind}_for_target",
            "target": {"device_id": [device_of(hass, entry)]},
        }
    )
    offered = (await client.receive_json())["result"]
    assert {f"nexblue_local.{key}" for key in keys} <= set(offered)


async def test_events_are_offered_for_a_charger(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry
) -> None:
    """The automation editor offers Home Assistant's trigger of the event entity."""
    assert await async_setup_component(hass, "automation", {})
    client = await hass_ws_client()
    await client.send_json_auto_id(
        {
            "type": "get_triggers_for_target",
            "target": {"device_id": [device_of(hass, entry)]},
        }
    )
    assert "event.received" in (await client.receive_json())["result"]


def test_targets_of_conditions() -> None:
    """They take targets as those of Home Assistant do."""
    assert_conditions_target_support(
        CONDITIONS, dict.fromkeys(CONDITIONS, TargetSupport.STANDARD)
    )


async def test_an_outage_in_a_duration(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A vehicle that stays connected for a time triggers, also after an outage in it."""
    calls = async_mock_service(hass, "test", "triggered")
    assert await async_setup_component(
        hass,
        "automation",
        {
            "automation": {
                "triggers": {
                    "trigger": "nexblue_local.vehicle_connected",
                    "target": {"device_id": device_of(hass, entry)},
                    "options": {"behavior": "each", "for": {"seconds": 1}},
                },
                "actions": {"action": "test.triggered"},
            }
        },
    )
    await hass.async_block_till_done()
    simulator.charger.plug_in(Car())
    await settle(hass, entry)
    await simulator.stop()
    await poll(hass, entry)
    await simulator.start()
    await settle(hass, entry)
    await asyncio.sleep(1.3)
    await hass.async_block_till_done()
    assert len(calls) == 1
    # What has triggered does not trigger again, however many outages there are.
    for _ in range(2):
        await simulator.stop()
        await poll(hass, entry)
        await simulator.start()
        await settle(hass, entry)
    await asyncio.sleep(1.3)
    await hass.async_block_till_done()
    assert len(calls) == 1
    simulator.charger.unplug()
    await settle(hass, entry)
    simulator.charger.plug_in(Car())
    await settle(hass, entry)
    await simulator.stop()
    await poll(hass, entry)
    simulator.charger.unplug()
    await simulator.start()
    await settle(hass, entry)
    await asyncio.sleep(1.3)
    await hass.async_block_till_done()
    assert len(calls) == 1
