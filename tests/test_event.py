"""The event entity, on real sockets."""

import asyncio
from datetime import datetime
import json
from pathlib import Path
from typing import Any

from homeassistant.components.automation import DOMAIN as AUTOMATION_DOMAIN
from homeassistant.components.event import ATTR_EVENT_TYPE, DOMAIN as EVENT_DOMAIN
from homeassistant.components.recorder import Recorder
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.nexblue_local import event
from custom_components.nexblue_local.control.settings import Setting
from custom_components.nexblue_local.control_events import (
    ControlEvent,
    ControlEventType,
)
from custom_components.nexblue_local.domain_data import async_get_domain_data
from custom_components.nexblue_local.entity_events import MAX_PENDING
from simulator import Simulator
from tests.commands import COMMANDS, LIMIT, control_events, entity_id_of
from tests.conftest import entry_for
from tests.test_init import poll, state
from tests.test_services import device_of, lease

pytestmark = pytest.mark.usefixtures("quick_commands")

FALLBACK: tuple[str, dict[str, Any]] = ("fallback_engaged", {})
RESTORED = ("restored", {"settings": ["current_limit"]})


def control_event(hass: HomeAssistant) -> str:
    """Return the entity ID of the event entity."""
    return entity_id_of(hass, EVENT_DOMAIN, "control_event")


async def lose_power(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Cut the power of the charger, have that noticed, and switch it on again."""
    await simulator.stop()
    await poll(hass, entry)
    simulator.charger.power_on()
    await simulator.start()


async def activity(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    since: datetime,
) -> list[dict[str, Any]]:
    """Return what Activity on the device page shows."""
    await async_wait_recording_done(hass)
    device_id = device_of(hass, entry)
    entities = er.async_entries_for_device(er.async_get(hass), device_id)
    client = await hass_ws_client()
    await client.send_json_auto_id(
        {
            "type": "logbook/get_events",
            "start_time": since.isoformat(),
            "device_ids": [device_id],
            "entity_ids": [entity.entity_id for entity in entities],
        }
    )
    rows: list[dict[str, Any]] = (await client.receive_json())["result"]
    return rows


async def test_each_event(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Each happens once, with its attributes."""
    assert state(hass, control_event(hass)) == STATE_UNKNOWN
    events = control_events(hass)
    await LIMIT.give(hass)
    await COMMANDS[1].give(hass)
    # A lost connection without lost settings is no event.
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert events == []
    # The fallback engages while the charger cannot be reached.
    await lose_power(hass, simulator, entry)
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    await poll(hass, entry)
    assert events == [
        FALLBACK,
        ("restored", {"settings": ["fallback_limit", "current_limit"]}),
    ]
    events.clear()
    await lease(entry, 16.0, 0.3, 7.0)
    await asyncio.sleep(0.5)
    await hass.async_block_till_done()
    assert events == [("limit_expired", {"limit": 7.0})]


async def test_no_event_without_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A fallback that began before is no event for a charger that is not controlled."""
    events = control_events(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    simulator.charger.fallback_active = True
    assert await hass.config_entries.async_setup(entry.entry_id)
    await poll(hass, entry)
    assert events == []


async def test_activity_after_an_outage(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    simulator: Simulator,
) -> None:
    """The event has one row, which the frontend translates by its event type."""
    assert await async_setup_component(hass, "logbook", {})
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await LIMIT.give(hass)
    await async_wait_recording_done(hass)
    since = dt_util.utcnow()
    await lose_power(hass, simulator, entry)
    await poll(hass, entry)

    rows = await activity(hass, hass_ws_client, entry, since)
    assert [
        row["attributes"] for row in rows if row.get("entity_id") == control_event(hass)
    ] == [{ATTR_EVENT_TYPE: "restored"}]
    assert [row for row in rows if "message" in row] == []
    # Two rows each of what only the charger knows, and the event.
    others = {row.get("entity_id") for row in rows} - {control_event(hass)}
    assert len(others) <= 8
    assert len(rows) <= 2 * len(others) + 1


async def test_available_during_an_outage(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Automations receive what is found at the first poll after an outage."""
    calls = async_mock_service(hass, "test", "received")
    assert await async_setup_component(
        hass,
        AUTOMATION_DOMAIN,
        {
            AUTOMATION_DOMAIN: {
                "triggers": {
                    "trigger": "event.received",
                    "target": {"device_id": device_of(hass, entry)},
                    "options": {"event_type": ["restored"]},
                },
                "actions": {"action": "test.received"},
            }
        },
    )
    await LIMIT.give(hass)
    await simulator.stop()
    await poll(hass, entry)
    assert state(hass, entity_id_of(hass, "sensor", "power")) == STATE_UNAVAILABLE
    assert state(hass, control_event(hass)) == STATE_UNKNOWN
    simulator.charger.power_on()
    await simulator.start()
    await poll(hass, entry)
    assert len(calls) == 1


async def test_events_during_setup(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """They are delivered in order once the entity exists, to automations too."""
    calls = async_mock_service(hass, "test", "received")
    assert await async_setup_component(
        hass,
        AUTOMATION_DOMAIN,
        {
            AUTOMATION_DOMAIN: {
                "triggers": {
                    "trigger": "event.received",
                    "target": {"device_id": device_of(hass, entry)},
                    "options": {"event_type": list(ControlEventType)},
                },
                "actions": {
                    "action": "test.received",
                    "data": {
                        "type": "{{ trigger.to_state.attributes.event_type }}",
                    },
                },
                "mode": "queued",
            }
        },
    )
    await LIMIT.give(hass)
    events = control_events(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert state(hass, control_event(hass)) == STATE_UNAVAILABLE
    await simulator.power_cycle()
    simulator.charger.fallback_active = True
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert events == [FALLBACK, RESTORED]
    assert [call.data["type"] for call in calls] == ["fallback_engaged", "restored"]
    # The last event outlives a reload, and is not a new one.
    last = state(hass, control_event(hass))
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, control_event(hass)) == last
    assert len(events) == len(calls) == 2


async def test_an_event_before_a_setup_that_fails(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A limit that expires while the charger is away is an event once it is back."""
    events = control_events(hass)
    await lease(entry, 16.0, 0.5, 7.0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await simulator.stop()
    await asyncio.sleep(0.6)
    for _ in range(2):
        await hass.config_entries.async_setup(entry.entry_id)
        assert entry.state is ConfigEntryState.SETUP_RETRY
        await hass.config_entries.async_unload(entry.entry_id)
    assert events == []
    await simulator.start()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert events[0] == ("limit_expired", {"limit": 7.0})
    assert [event_type for event_type, _ in events].count("limit_expired") == 1


async def test_a_disabled_entity_gets_no_old_events(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What happened while it was disabled does not arrive when it is enabled."""
    registry = er.async_get(hass)
    events = control_events(hass)
    entity_id = control_event(hass)
    registry.async_update_entity(entity_id, disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    await LIMIT.give(hass)
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    simulator.charger.fallback_active = False
    await poll(hass, entry)
    registry.async_update_entity(entity_id, disabled_by=None)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, entity_id) == STATE_UNKNOWN
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    assert events == [FALLBACK]


async def test_pending_events_of_a_disabled_entry(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What happened before an entry was disabled does not arrive when it is enabled."""
    events = control_events(hass)
    await lease(entry, 16.0, 0.5, 7.0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await simulator.stop()
    await asyncio.sleep(0.6)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await hass.config_entries.async_set_disabled_by(
        entry.entry_id, ConfigEntryDisabler.USER
    )
    await simulator.start()
    await hass.config_entries.async_set_disabled_by(entry.entry_id, None)
    await hass.async_block_till_done()
    assert state(hass, control_event(hass)) != STATE_UNAVAILABLE
    assert "limit_expired" not in [event_type for event_type, _ in events]


async def test_pending_events_are_limited(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The newest are kept."""
    events = control_events(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    for limit in range(MAX_PENDING + 2):
        async_get_domain_data(hass).events_of(entry).async_fire(
            ControlEvent(ControlEventType.LIMIT_EXPIRED, {"limit": limit})
        )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    limits = [attributes["limit"] for _, attributes in events]
    assert limits == list(range(2, MAX_PENDING + 2))


def test_texts() -> None:
    """Each event type, attribute and setting has a text."""
    file = Path(event.__file__).parent / "translations" / "en.json"
    texts = json.loads(file.read_text())["entity"]["event"]["control_event"]
    attributes = texts["state_attributes"]
    assert set(attributes) == {ATTR_EVENT_TYPE, "limit", "settings"}
    assert set(attributes[ATTR_EVENT_TYPE]["state"]) == set(ControlEventType)
    assert set(attributes["settings"]["state"]) == {str(setting) for setting in Setting}


async def test_events_of_a_setup_while_disabled(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What a set-up found while it was disabled does not arrive when it is enabled."""
    await LIMIT.give(hass)
    events = control_events(hass)
    entity_id = control_event(hass)
    registry = er.async_get(hass)
    registry.async_update_entity(entity_id, disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    # Home Assistant restarts, and finds that the charger has lost power.
    assert await hass.config_entries.async_unload(entry.entry_id)
    await simulator.power_cycle()
    simulator.charger.fallback_active = True
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    # Weeks later the user enables it.
    registry.async_update_entity(entity_id, disabled_by=None)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert events == []
