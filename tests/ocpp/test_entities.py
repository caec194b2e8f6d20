"""Entities of a charge point, cards, and the sessions of a charger with both links."""

from collections.abc import Mapping
import json
from typing import Any

from homeassistant.components.tag import EVENT_TAG_SCANNED
from homeassistant.const import (
    ATTR_ENTITY_ID,
    CONF_NAME,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.nexblue_local.charge_points import BACK_END, CHARGE_POINT_KEYS
from custom_components.nexblue_local.const import (
    CONF_BLOCKED,
    CONF_EXPIRY_DATE,
    CONF_TAG_ID,
    DOMAIN,
    SUBENTRY_TAG,
)
from custom_components.nexblue_local.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.nexblue_local.domain_data import async_get_domain_data
from custom_components.nexblue_local.ledger.session import EndReason
from simulator import Car, Simulator
from simulator.charge_point import ChargePoint
from tests.conftest import SERIAL
from tests.waiting import until

from .conftest import PASSWORD, state

CARD = "04A1B2C3"
PREFIX = "nexblue_delta_max"
STATUS = f"sensor.{PREFIX}_ocpp_status"
CONNECTED = f"binary_sensor.{PREFIX}_ocpp"
IN_SERVICE = f"switch.{PREFIX}_in_service"


async def add_card(
    hass: HomeAssistant, back_end: MockConfigEntry, **changes: Any
) -> Mapping[str, Any]:
    """Add a card as a user does."""
    subentries = hass.config_entries.subentries
    form = await subentries.async_init(
        (back_end.entry_id, SUBENTRY_TAG), context={"source": "user"}
    )
    answers = {CONF_NAME: "Blue card", CONF_TAG_ID: CARD, CONF_BLOCKED: False}
    return await subentries.async_configure(form["flow_id"], answers | changes)


async def act(hass: HomeAssistant, service: str, entity_id: str) -> None:
    """Call an action of an entity."""
    domain, name = service.split(".")
    await hass.services.async_call(
        domain, name, {ATTR_ENTITY_ID: entity_id}, blocking=True
    )


async def test_states(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
) -> None:
    """A session shows its card, its number, what was measured, and why it ended."""
    charge_point.sample_interval = 0.3
    await add_card(hass, back_end)
    simulator.charger.plug_in(Car())
    await charge_point.present(CARD.lower())
    await until(lambda: state(hass, STATUS).state == "charging", 15)
    assert state(hass, CONNECTED).state == STATE_ON
    assert state(hass, STATUS).attributes["error"] == "no_error"
    assert state(hass, f"sensor.{PREFIX}_session_card").state == "Blue card"
    server = hass.data[BACK_END]
    transaction = server.central.charge_points[SERIAL].state.transaction
    assert transaction is not None
    number = state(hass, f"sensor.{PREFIX}_transaction_number").state
    assert int(number) == transaction.number
    await until(
        lambda: state(hass, f"sensor.{PREFIX}_temperature").state != STATE_UNKNOWN
    )
    assert float(state(hass, f"sensor.{PREFIX}_temperature").state) == 31.0
    assert float(state(hass, f"sensor.{PREFIX}_frequency").state) == 50.0
    await charge_point.present(CARD)
    await until(lambda: state(hass, f"sensor.{PREFIX}_stop_reason").state == "local")
    assert state(hass, f"sensor.{PREFIX}_transaction_number").state == STATE_UNKNOWN


async def test_commands(
    hass: HomeAssistant, linked: MockConfigEntry, charge_point: ChargePoint
) -> None:
    """Buttons and the switch send what they say; not connected, they say why not."""
    await until(lambda: state(hass, IN_SERVICE).state == STATE_ON)
    await act(hass, "switch.turn_off", IN_SERVICE)
    await until(lambda: state(hass, IN_SERVICE).state == STATE_OFF)
    await act(hass, "switch.turn_on", IN_SERVICE)
    await act(hass, "button.press", f"button.{PREFIX}_unlock_connector")
    await act(hass, "button.press", f"button.{PREFIX}_restart")
    sent = [(action, payload.get("type")) for action, payload in charge_point.log]
    assert [each for each in sent if each[0] != "TriggerMessage"] == [
        ("ChangeAvailability", "Inoperative"),
        ("ChangeAvailability", "Operative"),
        ("UnlockConnector", None),
        ("Reset", "Soft"),
    ]
    charge_point.retry_after = 30
    await charge_point.go_offline(30)
    await until(lambda: state(hass, CONNECTED).state == STATE_OFF)
    assert state(hass, STATUS).state == STATE_UNAVAILABLE
    with pytest.raises(HomeAssistantError, match="not connected by OCPP"):
        await act(hass, "switch.turn_off", IN_SERVICE)


async def test_without_back_end(
    hass: HomeAssistant, linked: MockConfigEntry, back_end: MockConfigEntry
) -> None:
    """Unloaded, its entities say so; removed, they are gone."""
    await hass.config_entries.async_unload(back_end.entry_id)
    await hass.async_block_till_done()
    assert state(hass, CONNECTED).state == STATE_OFF
    with pytest.raises(HomeAssistantError, match="not connected to Home Assistant"):
        await act(hass, "button.press", f"button.{PREFIX}_unlock_connector")
    await hass.config_entries.async_remove(back_end.entry_id)
    await hass.async_block_till_done()
    left = er.async_entries_for_config_entry(er.async_get(hass), linked.entry_id)
    assert left
    assert not [each for each in left if each.translation_key in CHARGE_POINT_KEYS]


async def test_no_entities_without_ocpp(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """A charger without OCPP has none of them."""
    assert hass.states.get(CONNECTED) is None


async def test_cards(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    charge_point: ChargePoint,
) -> None:
    """A card that is added counts at once, and nobody has to connect again."""
    assert await async_setup_component(hass, "tag", {})
    scans = async_capture_events(hass, EVENT_TAG_SCANNED)
    event = f"event.{PREFIX}_card"
    await charge_point.present(CARD)
    await until(lambda: state(hass, event).state != STATE_UNKNOWN)
    assert state(hass, event).attributes["is_accepted"] is False
    assert state(hass, event).attributes["tag_id"] == CARD
    assert not scans
    connected_at = hass.data[BACK_END].central.charge_points[SERIAL].state
    assert (await add_card(hass, back_end))["type"] == "create_entry"
    await hass.async_block_till_done()
    await charge_point.present(CARD.lower())
    await until(lambda: state(hass, event).attributes["is_accepted"])
    assert state(hass, event).attributes["name"] == "Blue card"
    await hass.async_block_till_done()
    assert [scan.data["tag_id"] for scan in scans] == [CARD.lower()]
    assert scans[0].data["device_id"]
    now = hass.data[BACK_END].central.charge_points[SERIAL].state
    assert now.connected_at == connected_at.connected_at


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({CONF_TAG_ID: CARD.lower()}, "tag_exists"),
        ({CONF_TAG_ID: "HomeAssistant"}, "reserved_tag_id"),
        ({CONF_TAG_ID: "x" * 21}, "invalid_tag_id"),
        ({CONF_TAG_ID: " "}, "invalid_tag_id"),
    ],
)
async def test_cards_that_are_none(
    hass: HomeAssistant,
    back_end: MockConfigEntry,
    changes: dict[str, str],
    error: str,
) -> None:
    """A form with an ID that cannot be used says why."""
    await add_card(hass, back_end)
    again = await add_card(hass, back_end, **changes)
    assert again["errors"] == {CONF_TAG_ID: error}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({CONF_EXPIRY_DATE: "2026-01-01"}, "Expired"),
        ({CONF_EXPIRY_DATE: "2999-01-01"}, "Accepted"),
        ({CONF_BLOCKED: True}, "Blocked"),
    ],
)
async def test_card_is_changed(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    charge_point: ChargePoint,
    changes: dict[str, Any],
    status: str,
) -> None:
    """A card that expired or is blocked is refused with the reason."""
    await add_card(hass, back_end)
    [subentry] = back_end.subentries.values()
    form = await back_end.start_subentry_reconfigure_flow(hass, subentry.subentry_id)
    done = await hass.config_entries.subentries.async_configure(
        form["flow_id"], dict(subentry.data) | changes
    )
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    answer = await charge_point._call("Authorize", {"idTag": CARD})
    assert answer["idTagInfo"]["status"] == status


async def test_sessions(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
) -> None:
    """Each transaction is one session, and their energies are what was counted."""
    await add_card(hass, back_end)
    await add_card(hass, back_end, **{CONF_NAME: "Red card", CONF_TAG_ID: "RED"})
    coordinator = linked.runtime_data.coordinator
    ledger = async_get_domain_data(hass).sessions.ledger
    began_at = simulator.charger.lifetime_energy
    await coordinator.async_refresh()
    simulator.charger.plug_in(Car())
    await coordinator.async_refresh()
    for card in (CARD, "RED"):
        await charge_point.present(card)
        await until(
            lambda: state(hass, f"switch.{PREFIX}_allow_charging").state == "on"
        )
        simulator.charger.lifetime_energy += 1500
        simulator.charger.session_energy += 1.5
        await coordinator.async_refresh()
        await charge_point.present(card)
        await until(
            lambda: state(hass, f"switch.{PREFIX}_allow_charging").state == "off"
        )
        await coordinator.async_refresh()
    simulator.charger.unplug()
    await coordinator.async_refresh()
    first, second = ledger.sessions(SERIAL)
    assert (first.tag, second.tag) == ("Blue card", "Red card")
    assert first.transaction_id is not None
    assert second.transaction_id == first.transaction_id + 1
    assert first.end is not None
    assert first.end <= second.start
    assert {first.end_reason, second.end_reason} == {EndReason.LOCAL}
    counted = simulator.charger.lifetime_energy - began_at
    assert first.energy_wh + second.energy_wh == pytest.approx(counted, abs=1)
    assert first.energy_wh == pytest.approx(1500, abs=20)


async def test_send_cards(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    charge_point: ChargePoint,
) -> None:
    """The charger gets them in parts of the size that it can take."""
    for number in range(12):
        await add_card(
            hass, back_end, **{CONF_NAME: f"Card {number}", CONF_TAG_ID: f"C{number}"}
        )

    async def send() -> None:
        await hass.services.async_call(
            DOMAIN, "send_cards", {ATTR_ENTITY_ID: STATUS}, blocking=True
        )

    await send()
    assert set(charge_point.local_list) == {f"C{number}" for number in range(12)}
    await hass.config_entries.async_unload(back_end.entry_id)
    with pytest.raises(HomeAssistantError, match="not connected to Home Assistant"):
        await send()


async def test_diagnostics(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They tell the link, and neither passwords nor cards; nor does the log."""
    await add_card(hass, back_end, **{CONF_NAME: "Blue card"})
    simulator.charger.plug_in(Car())
    await charge_point.present(CARD)
    await until(
        lambda: state(hass, f"sensor.{PREFIX}_session_card").state == "Blue card"
    )
    charger = await async_get_config_entry_diagnostics(hass, linked)
    assert charger["ocpp"]["start_stop_link"] == "ocpp"
    assert charger["ocpp"]["is_connected"]
    whole = await async_get_config_entry_diagnostics(hass, back_end)
    assert whole["cards"] == 1
    assert whole["charge_points"][0]["is_connected"]
    for secret in (PASSWORD, CARD, SERIAL, "Blue card"):
        assert secret not in json.dumps(charger, default=str)
        assert secret not in json.dumps(whole, default=str)
    ours = "".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components")
    )
    assert PASSWORD not in ours
    assert CARD not in ours
