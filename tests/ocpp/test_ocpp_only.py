"""Chargers that have OCPP only, played by the ocpp library over real sockets."""

from collections.abc import Sequence
from ipaddress import ip_address
import json
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    SOURCE_ZEROCONF,
    ConfigEntryState,
)
from homeassistant.const import (
    CONF_PORT,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.setup import async_setup_component
from ocpp.v16.enums import Reason
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.config_flow import NexBlueConfigFlow
from custom_components.nexblue_local.const import (
    CONF_CHARGE_POINT_ID,
    CONF_MODBUS,
    CONF_START_AUTOMATICALLY,
    DOMAIN,
)
from custom_components.nexblue_local.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.nexblue_local.ocpp_config import PATH
from custom_components.nexblue_local.ocpp_flow import NEW_CHARGER
from simulator import Simulator
from tests.conftest import SERIAL, entry_data, user_enters
from tests.site import GRID, site_entry
from tests.test_triggers import automate, triggered
from tests.waiting import until

from .conftest import ocpp_entry, set_up, state
from .other_maker import ID, MODEL, VENDOR, OtherMaker, connected
from .test_back_end import free_port
from .test_entities import CARD, act, add_card

PREFIX = "brightblu_jolt_home_plus"
SERIAL_NUMBER = OtherMaker.serial_number
SWITCH = f"switch.{PREFIX}_allow_charging"
STATUS = f"sensor.{PREFIX}_status"
ENERGY = f"sensor.{PREFIX}_session_energy"


async def discovered(hass: HomeAssistant, charge_point_id: str = ID) -> Any:
    """Return the flow of a charge point that was discovered."""

    def flows() -> Sequence[Any]:
        return [
            flow
            for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
            if flow["context"].get("unique_id") == f"ocpp_{charge_point_id}"
        ]

    [flow] = await until(flows)
    return flow


async def add(
    hass: HomeAssistant, charger: OtherMaker, answers: dict[str, Any] | None = None
) -> Any:
    """Add a charge point that connected; return its entry."""
    assert await charger.boot() == "Pending"
    flow = await discovered(hass, charger.id)
    done = await hass.config_entries.flow.async_configure(
        flow["flow_id"], answers or {}
    )
    assert done["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert done["result"].state is ConfigEntryState.LOADED
    return done["result"]


async def sessions(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return the sessions of the charger, as the action does."""
    answer: Any = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"entity_id": SWITCH},
        blocking=True,
        return_response=True,
    )
    [charger] = answer["chargers"]
    found: list[dict[str, Any]] = charger["sessions"]
    return found


async def test_session(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """It is paired, knows a card, charges, is stopped, and found to the Wh."""
    await add_card(hass, back_end)
    async with connected(url) as charger:
        assert await charger.boot() == "Pending"
        flow = await discovered(hass)
        assert flow["step_id"] == "charge_point_new"
        done = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
        assert (done["title"], done["data"]) == (
            f"{VENDOR} {MODEL}",
            {CONF_CHARGE_POINT_ID: ID},
        )
        entry = done["result"]
        assert entry.unique_id == SERIAL_NUMBER
        await hass.async_block_till_done()
        assert await charger.boot() == "Accepted"
        await charger.status("Available")
        for key, value in {
            f"binary_sensor.{PREFIX}_ocpp": STATE_ON,
            f"binary_sensor.{PREFIX}_vehicle_connected": STATE_OFF,
            f"sensor.{PREFIX}_power": "0.0",
            f"sensor.{PREFIX}_current_l1": "0.0",
            f"sensor.{PREFIX}_voltage_l1": STATE_UNKNOWN,
            STATUS: "available",
            SWITCH: STATE_OFF,
            ENERGY: STATE_UNKNOWN,
        }.items():
            assert state(hass, key).state == value, key
        await charger.status("Preparing")
        assert (
            state(hass, f"binary_sensor.{PREFIX}_vehicle_connected").state == STATE_ON
        )
        assert await charger.start_transaction(CARD) == "Accepted"
        await charger.status("Charging")
        await charger.measure(
            ("Energy.Active.Import.Register", "Wh", 1234, None),
            ("Power.Active.Import", "W", 3680, None),
            ("Current.Import", "A", 16.04, "L1"),
            ("Voltage", "V", 229.4, "L1-N"),
            ("Temperature", "C", 41, None),
        )
        # What did not change is left out.
        await charger.measure_energy(2345)
        for key, value in {
            f"binary_sensor.{PREFIX}_charging": STATE_ON,
            f"sensor.{PREFIX}_power": "3680.0",
            f"sensor.{PREFIX}_current_l1": "16.04",
            f"sensor.{PREFIX}_voltage_l1": "229.4",
            f"sensor.{PREFIX}_temperature": "41.0",
            f"sensor.{PREFIX}_session_card": "Blue card",
            f"sensor.{PREFIX}_lifetime_energy": "2.345",
            ENERGY: "2.345",
            STATUS: "charging",
            SWITCH: STATE_ON,
        }.items():
            assert state(hass, key).state == value, key
        charger.meter = 2347
        await act(hass, "switch.turn_off", SWITCH)
        await until(lambda: state(hass, STATUS).state == "finishing")
        for key, value in {
            f"sensor.{PREFIX}_power": "0.0",
            f"sensor.{PREFIX}_current_l1": "0.0",
            f"sensor.{PREFIX}_voltage_l1": "229.4",
            f"sensor.{PREFIX}_last_session_energy": "2.347",
            f"sensor.{PREFIX}_lifetime_energy": "2.347",
            ENERGY: "2.347",
            SWITCH: STATE_OFF,
        }.items():
            assert state(hass, key).state == value, key
        event = state(hass, f"event.{PREFIX}_charging_session")
        assert event.attributes["event_type"] == "ended"
        [session] = await sessions(hass)
        assert session["energy"] == event.attributes["energy"] == 2.347
        assert (session["tag"], session["end_reason"]) == ("Blue card", "remote")
        assert session["is_accepted"]
        with pytest.raises(HomeAssistantError, match="No charging session"):
            await act(hass, "switch.turn_off", SWITCH)
        await act(hass, "switch.turn_on", SWITCH)
        await until(lambda: state(hass, SWITCH).state == STATE_ON)
    await until(lambda: state(hass, STATUS).state == STATE_UNAVAILABLE)
    assert state(hass, f"sensor.{PREFIX}_power").state == STATE_UNAVAILABLE
    assert state(hass, f"sensor.{PREFIX}_last_session_energy").state == "2.347"
    with pytest.raises(HomeAssistantError, match="not connected by OCPP"):
        await act(hass, "switch.turn_off", SWITCH)


@pytest.mark.parametrize(
    ("status", "error", "shown"),
    [
        ("Charging", "NoError", ("charging", STATE_OFF, STATE_OFF)),
        ("SuspendedEV", "WeakSignal", ("suspended_ev", STATE_OFF, STATE_ON)),
        ("Unavailable", "NoError", ("inoperative", STATE_OFF, STATE_OFF)),
        ("Faulted", "EarthLeakageError", ("faulted", STATE_ON, STATE_OFF)),
        ("DiodeError", "NoError", ("faulted", STATE_ON, STATE_OFF)),
        ("Napping", "NoError", (STATE_UNKNOWN, STATE_UNKNOWN, STATE_OFF)),
    ],
)
async def test_statuses(
    hass: HomeAssistant, url: str, status: str, error: str, shown: tuple[str, ...]
) -> None:
    """States and codes of vendors become those that a charger has with Modbus."""
    async with connected(url) as charger:
        await add(hass, charger)
        await charger.status(status, error)
        assert shown == tuple(
            state(hass, entity_id).state
            for entity_id in (
                STATUS,
                f"binary_sensor.{PREFIX}_fault",
                f"binary_sensor.{PREFIX}_warning",
            )
        )


async def test_no_phases(hass: HomeAssistant, url: str) -> None:
    """A charger that does not tell the phases apart shows current and voltage at L1."""
    async with connected(url) as charger:
        await add(hass, charger)
        await charger.start_transaction("nobody")
        await charger.measure(
            ("Current.Import", "A", 10, None), ("Voltage", "V", 231, None)
        )
        assert state(hass, f"sensor.{PREFIX}_current_l1").state == "10.0"
        assert state(hass, f"sensor.{PREFIX}_voltage_l1").state == "231.0"
        assert state(hass, f"sensor.{PREFIX}_voltage_l2").state == STATE_UNKNOWN


@pytest.mark.parametrize(
    ("serial_number", "unique_id"),
    [
        ("JHP24110042", "JHP24110042"),
        ("0", ID),
        ("unknown", ID),
        ("000000000000", ID),
        (None, ID),
    ],
)
async def test_serial_numbers(
    hass: HomeAssistant, url: str, serial_number: str | None, unique_id: str
) -> None:
    """Where a serial number is none, the ID of the charge point serves."""
    async with connected(url, serial_number=serial_number) as charger:
        assert (await add(hass, charger)).unique_id == unique_id


async def test_same_serial_number(hass: HomeAssistant, url: str) -> None:
    """Two charge points with the same serial number are two chargers, if the user says so."""
    async with connected(url) as first, connected(url, "BBJHP-0043") as second:
        one = await add(hass, first)
        assert await second.boot() == "Pending"
        assert (await discovered(hass, second.id))["step_id"] == "charge_point"
        other = await add(hass, second, {"charger": NEW_CHARGER})
        assert (one.unique_id, other.unique_id) == (SERIAL_NUMBER, second.id)
        assert len(dr.async_get(hass).devices) == 2


@pytest.mark.parametrize("charge_point_id", ["site", "ocpp"])
async def test_reserved_ids(
    hass: HomeAssistant, url: str, charge_point_id: str
) -> None:
    """A charge point does not pass for another kind of entry by its ID."""
    async with connected(url, charge_point_id, serial_number=None) as charger:
        entry = await add(hass, charger)
        assert entry.unique_id == f"ocpp_{charge_point_id}"


async def test_what_needs_modbus(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """Without Modbus there are no limits, no options and no place in the site."""
    hass.states.async_set(
        GRID, "-3000", {"unit_of_measurement": "W", "device_class": "power"}
    )
    site = await set_up(hass, site_entry())
    async with connected(url) as charger:
        entry = await add(hass, charger, {})
        for action, data in (
            ("set_limits", {"current_limit": 10}),
            ("release_control", {}),
            ("release_connection", {"minutes": 5}),
            ("test_charger", {}),
        ):
            with pytest.raises(ServiceValidationError, match="by OCPP only"):
                await hass.services.async_call(
                    DOMAIN,
                    action,
                    {"entity_id": SWITCH, **data},
                    blocking=True,
                    return_response=action == "test_charger",
                )
        assert not NexBlueConfigFlow.async_supports_options_flow(entry)
        entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        domains = {each.domain for each in entities}
        assert domains == {"binary_sensor", "button", "event", "sensor", "switch"}
        assert not {"charge_mode", "limited_by", "control", "release_control"} & {
            each.translation_key for each in entities
        }
        diagnostics = await async_get_config_entry_diagnostics(hass, site)
        assert not diagnostics["chargers"]
        # Removing the site has nothing to end at this charger.
        await hass.config_entries.async_remove(site.entry_id)
        assert entry.state is ConfigEntryState.LOADED


async def test_start_automatically(
    hass: HomeAssistant,
    url: str,
    back_end: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    """Without a charge mode, each vehicle that waits is started if the user wants that."""
    async with connected(url) as charger:
        await add(hass, charger)
    wanted = ocpp_entry(**{CONF_START_AUTOMATICALLY: True})
    hass.config_entries.async_update_entry(back_end, data=wanted.data)
    await hass.config_entries.async_reload(back_end.entry_id)
    async with connected(url) as charger:
        await charger.status("Preparing")
        await until(lambda: state(hass, SWITCH).state == STATE_ON)
        # Also the next one, even if it comes while Home Assistant is down.
        stored = hass_storage[f"{DOMAIN}.ocpp"]["data"]
        assert stored["started"]
        await charger.stop_transaction(Reason.ev_disconnected)
        await charger.status("Available")
        await hass.async_block_till_done()
        stored = hass_storage[f"{DOMAIN}.ocpp"]["data"]
        assert not stored["started"]


async def test_triggers(hass: HomeAssistant, socket_enabled: None) -> None:
    """Triggers are those of a charger with Modbus."""
    port = free_port()
    await set_up(hass, ocpp_entry(**{CONF_PORT: port}))
    async with connected(f"http://127.0.0.1:{port}{PATH}") as charger:
        await add(hass, charger)
        await charger.status("Available")
        [device] = list(dr.async_get(hass).devices)
        names = ("vehicle_connected", "started_charging", "fault", "session_ended")
        calls = await automate(hass, device.id, *names)
        await charger.status("Preparing")
        await charger.start_transaction("nobody")
        await charger.status("Charging")
        await charger.measure_energy(700)
        await charger.status("VentError")
        await charger.stop_transaction(Reason.other)
        await hass.async_block_till_done()
        assert triggered(calls) == list(names)


async def test_diagnostics(hass: HomeAssistant, url: str) -> None:
    """They tell what is known, without what identifies the charger."""
    async with connected(url) as charger:
        entry = await add(hass, charger)
        await charger.boot()
        found = await async_get_config_entry_diagnostics(hass, entry)
    assert found["modbus"] is None
    assert found["ocpp"]["boot"]["model"] == MODEL
    assert found["sessions"]["count"] == 0
    for secret in (ID, SERIAL_NUMBER):
        assert str(secret) not in json.dumps(found, default=str)


async def test_dashboard(hass: HomeAssistant) -> None:
    """The dashboard is made of the entities that there are, also without a back end."""
    assert await async_setup_component(hass, "lovelace", {})
    await hass.auth.async_create_user("Owner", group_ids=["system-admin"])
    await set_up(
        hass,
        MockConfigEntry(
            domain=DOMAIN,
            title=f"{VENDOR} {MODEL}",
            unique_id=SERIAL_NUMBER,
            data={CONF_CHARGE_POINT_ID: ID},
        ),
    )
    answer = await hass.services.async_call(
        DOMAIN,
        "create_dashboard",
        {"entity_id": SWITCH},
        blocking=True,
        return_response=True,
    )
    assert answer == {"url_path": "/nexblue-charging"}
    dashboard = hass.data["lovelace"].dashboards["nexblue-charging"]
    shown = json.dumps(await dashboard.async_load(force=False))
    assert SWITCH in shown
    assert f"sensor.{PREFIX}_power" in shown


async def test_restart_in_a_session(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """A session goes on when Home Assistant restarts, and none of its energy is lost."""
    async with connected(url) as charger:
        entry = await add(hass, charger)
        await charger.start_transaction("nobody")
        await charger.measure_energy(1500)
    for each in (entry, back_end):
        assert await hass.config_entries.async_unload(each.entry_id)
    # The charger is set up without its back end; nothing is tried again.
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, STATUS).state == STATE_UNAVAILABLE
    assert state(hass, f"binary_sensor.{PREFIX}_ocpp").state == STATE_OFF
    with pytest.raises(HomeAssistantError, match="not connected to Home Assistant"):
        await act(hass, "switch.turn_off", SWITCH)
    assert await hass.config_entries.async_setup(back_end.entry_id)
    running = charger.transaction
    async with connected(url, transaction=running, meter=1500) as charger:
        await until(lambda: state(hass, SWITCH).state == STATE_ON)
        assert state(hass, f"sensor.{PREFIX}_lifetime_energy").state == "1.5"
        assert state(hass, ENERGY).state == "1.5"
        await charger.measure_energy(2500)
        charger.meter = 2501
        await act(hass, "switch.turn_off", SWITCH)
        await until(lambda: state(hass, SWITCH).state == STATE_OFF)
        [session] = await sessions(hass)
        assert session["energy"] == 2.501
        assert not session["is_accepted"]


async def test_removed_and_added(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """It survives its back end; removed, it is discovered again, with its sessions."""
    async with connected(url) as charger:
        entry = await add(hass, charger)
        await charger.start_transaction("nobody")
        await charger.measure_energy(700)
        await charger.stop_transaction(Reason.local)
    await hass.config_entries.async_remove(back_end.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data[CONF_CHARGE_POINT_ID] == ID
    assert state(hass, STATUS).state == STATE_UNAVAILABLE
    await set_up(hass, ocpp_entry())
    async with connected(url) as charger:
        assert await charger.boot() == "Accepted"
        await charger.status("Available")
        assert state(hass, STATUS).state == "available"
        await hass.config_entries.async_remove(entry.entry_id)
        await hass.async_block_till_done()
        assert hass.states.get(STATUS) is None
    async with connected(url) as charger:
        again = await add(hass, charger)
        assert again.unique_id == SERIAL_NUMBER
        assert [session["energy"] for session in await sessions(hass)] == [0.7]
        last = state(hass, f"sensor.{PREFIX}_last_session_energy")
        assert last.state == "0.7"


async def announce(hass: HomeAssistant, simulator: Simulator) -> Any:
    """Announce a simulated charger by mDNS; return the flow."""
    return await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_ZEROCONF},
        data=ZeroconfServiceInfo(
            ip_address=ip_address(simulator.host),
            ip_addresses=[ip_address(simulator.host)],
            port=simulator.port,
            hostname="nexblue.local.",
            type="_nexblue_modbus._tcp.local.",
            name="nexblue._nexblue_modbus._tcp.local.",
            properties={},
        ),
    )


@pytest.mark.parametrize("way", ["zeroconf", "user", "reconfigure"])
async def test_modbus_joins(
    hass: HomeAssistant, url: str, simulator: Simulator, way: str
) -> None:
    """Found by Modbus as well, it is the same charger, with the same entities."""
    address = entry_data(simulator)[CONF_MODBUS]
    async with connected(url, serial_number=SERIAL.lower()) as charger:
        entry = await add(hass, charger)
        await charger.start_transaction("nobody")
        await charger.measure_energy(700)
        await charger.stop_transaction(Reason.local)
        registry = er.async_get(hass)
        before = {
            each.unique_id: each.entity_id
            for each in er.async_entries_for_config_entry(registry, entry.entry_id)
        }
        if way == "zeroconf":
            result = await announce(hass, simulator)
        elif way == "user":
            result = await user_enters(hass, address)
        else:
            form = await hass.config_entries.flow.async_init(
                DOMAIN,
                context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id},
            )
            result = await hass.config_entries.flow.async_configure(
                form["flow_id"], address
            )
        assert result["reason"] == (
            "reconfigure_successful" if way == "reconfigure" else "modbus_joined"
        )
        await hass.async_block_till_done()
        assert entry.state is ConfigEntryState.LOADED
        assert entry.data == {CONF_CHARGE_POINT_ID: ID, CONF_MODBUS: address}
        after = {
            each.unique_id: each.entity_id
            for each in er.async_entries_for_config_entry(registry, entry.entry_id)
        }
        assert before.items() <= after.items()
        assert len(dr.async_get(hass).devices) == 1
        # It is polled now.
        assert state(hass, after[f"{entry.unique_id}_limited_by"]).state == "none"
        assert [each["energy"] for each in await sessions(hass)] == [0.7]
        await charger.status("Available")
        assert state(hass, f"sensor.{PREFIX}_ocpp_status").state == "available"
        assert NexBlueConfigFlow.async_supports_options_flow(entry)
        assert await hass.config_entries.async_reload(entry.entry_id)


async def test_both_discovered(
    hass: HomeAssistant, url: str, simulator: Simulator
) -> None:
    """Discovered over both links, it is added once, with both.

    A menu that the user left open does not matter.
    """
    flow = await announce(hass, simulator)
    assert flow["step_id"] == "zeroconf_confirm"
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    async with connected(url, serial_number=SERIAL.lower()) as charger:
        entry = await add(hass, charger)
        assert entry.unique_id == SERIAL
        assert entry.data == {CONF_CHARGE_POINT_ID: ID, **entry_data(simulator)}
        assert await charger.boot() == "Accepted"
        [left] = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        assert left["flow_id"] == menu["flow_id"]


async def test_added_by_modbus_meanwhile(
    hass: HomeAssistant, url: str, simulator: Simulator
) -> None:
    """A form that waits does not add a charger twice."""
    async with connected(url, serial_number=SERIAL) as charger:
        assert await charger.boot() == "Pending"
        flow = await discovered(hass)
        assert flow["step_id"] == "charge_point_new"
        result = await user_enters(hass, entry_data(simulator)[CONF_MODBUS])
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        configure = hass.config_entries.flow.async_configure
        form = await configure(flow["flow_id"], {})
        assert form["step_id"] == "charge_point_confirm"
        done = await configure(flow["flow_id"], {})
        assert done["reason"] == "charge_point_linked"
