"""The blueprints, imported and run against a charger."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
import re
import shutil
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from freezegun import freeze_time
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.importer import _get_github_import_url
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant, ServiceCall, State
from homeassistant.helpers import restore_state
from homeassistant.helpers.json import json_bytes
from homeassistant.helpers.restore_state import STORAGE_KEY, StoredState
from homeassistant.helpers.update_coordinator import UpdateFailed
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.json import json_loads
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.nexblue_local.modbus.enums import ChargerErrors
from simulator import Car, SimulatedCharger, Simulator

from .commands import PREFIX
from .site import GRID, choose, limit, set_number, settle, site_entry, state
from .test_automations import at
from .test_init import poll

pytestmark = pytest.mark.usefixtures("quick_commands")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "blueprints" / "automation" / "nexblue_local"
FILES = sorted(FOLDER.glob("*.yaml"))

CHARGE_MODE = f"select.{PREFIX}_charge_mode"
FAST = f"switch.{PREFIX}_fast_until_unplugged"
CHARGING = f"binary_sensor.{PREFIX}_charging"
STATUS = f"sensor.{PREFIX}_status"
NOTIFY = [{"action": "test.notify", "data": {"message": "{{ message }}"}}]


@pytest.fixture(autouse=True)
async def _automations_end(hass: HomeAssistant) -> AsyncIterator[None]:
    """Switch automations off before Home Assistant stops."""
    yield
    if hass.services.has_service("automation", "turn_off"):
        await hass.services.async_call(
            "automation", "turn_off", {"entity_id": "all"}, blocking=True
        )


@pytest.fixture
async def site(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Return the entry of the charger's site, set up."""
    hass.states.async_set(GRID, "0", {"unit_of_measurement": "W"})
    site = site_entry()
    site.add_to_hass(hass)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    return site


@pytest.fixture
async def plugged_in(simulator: Simulator) -> Simulator:
    """Return a charger whose car charges as soon as it is polled."""
    simulator.charger.plug_in(Car(ramp=1000))
    simulator.charger._preparing_until = 0
    return simulator


async def use(
    hass: HomeAssistant, folder: Path, name: str, **inputs: Any
) -> list[ServiceCall]:
    """Make an automation of a blueprint; return its notifications to come."""
    shutil.copytree(ROOT / "blueprints", folder / "blueprints")
    hass.config.config_dir = str(folder)
    calls: list[ServiceCall] = async_mock_service(hass, "test", "notify")
    blueprint = {"path": f"nexblue_local/{name}.yaml", "input": inputs}
    config = {"automation": {"alias": "blueprint", "use_blueprint": blueprint}}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    automation = hass.states.get("automation.blueprint")
    assert automation is not None
    assert automation.state == "on"
    return calls


async def restart(
    hass: HomeAssistant, hass_storage: dict[str, Any], when: datetime
) -> None:
    """Load what a shutdown stored of an automation that was triggered at a time."""
    last = {"last_triggered": when.isoformat()}
    stored = StoredState(State("automation.blueprint", "on", last), None, when)
    data = json_loads(json_bytes([stored.as_dict()]))
    hass_storage[STORAGE_KEY] = {"version": 1, "data": data}
    await restore_state.async_get(hass).async_load()


def tomorrow(hour: int, minute: int = 0) -> datetime:
    """Return a time of the next day, so that it is still to come."""
    day = dt_util.start_of_local_day() + timedelta(days=1)
    return day + timedelta(hours=hour, minutes=minute)


def messages(calls: list[ServiceCall]) -> list[str]:
    """Return the notifications since the last call."""
    found = [call.data["message"] for call in calls]
    calls.clear()
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_import(file: Path) -> None:
    """The link in the documentation imports this file, and it is valid."""
    Blueprint(
        load_yaml_dict(str(file)),
        expected_domain="automation",
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    page = (ROOT / "docs" / "blueprints.md").read_text()
    links = re.findall(r"https://my\.home-assistant\.io/redirect/[^)\s]+", page)
    targets = {
        parse_qs(urlsplit(link).query)["blueprint_url"][0]
        for link in links
        if urlsplit(link).path == "/redirect/blueprint_import/"
    }
    assert len(targets) == len(FILES)
    source = load_yaml_dict(str(file))["blueprint"]["source_url"]
    assert source in targets
    path = file.relative_to(ROOT).as_posix()
    assert _get_github_import_url(source).endswith(f"/main/{path}")


async def use_night(hass: HomeAssistant, folder: Path, **inputs: Any) -> None:
    """Make an automation that charges at night for at most 0.20."""
    await use(
        hass,
        folder,
        "sun_by_day_cheap_hours_by_night",
        charge_mode=CHARGE_MODE,
        fast_until_unplugged=FAST,
        price="sensor.price",
        highest_price=0.2,
        **inputs,
    )


async def price(hass: HomeAssistant, value: str) -> None:
    """Have the price change."""
    hass.states.async_set("sensor.price", value)
    await hass.async_block_till_done()


async def test_night(
    hass: HomeAssistant, entry: MockConfigEntry, site: MockConfigEntry, tmp_path: Path
) -> None:
    """It is fast at night while that is cheap, and solar otherwise."""
    await price(hass, "0.1")
    await choose(hass, entry, "solar")
    await use_night(hass, tmp_path)
    await at(hass, tomorrow(21, 55))
    assert state(hass, entry, "charge_mode") == "solar"
    await at(hass, tomorrow(22))
    assert state(hass, entry, "charge_mode") == "fast"
    for value, mode in (
        ("0.21", "solar"),
        ("unknown", "solar"),
        ("0.2", "fast"),
        ("unavailable", "fast"),
        ("-0.05", "fast"),
    ):
        with freeze_time(tomorrow(23), tick=True, real_asyncio=True):
            await price(hass, value)
        assert state(hass, entry, "charge_mode") == mode, value
    await at(hass, tomorrow(30))
    assert state(hass, entry, "charge_mode") == "solar"


async def test_night_after_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, site: MockConfigEntry, tmp_path: Path
) -> None:
    """What changed while Home Assistant did not run is made up for."""
    await price(hass, "0.1")
    await choose(hass, entry, "fast")
    await use_night(hass, tmp_path)
    await at(hass, tomorrow(7, 5))
    assert state(hass, entry, "charge_mode") == "solar"
    await at(hass, tomorrow(23, 5))
    assert state(hass, entry, "charge_mode") == "fast"


@pytest.mark.parametrize("mode", ["manual", "off", "solar_min"])
async def test_night_leaves_other_modes_alone(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: MockConfigEntry,
    tmp_path: Path,
    mode: str,
) -> None:
    """What the user chose stays, by day and by night."""
    await price(hass, "0.1")
    await choose(hass, entry, mode)
    await use_night(hass, tmp_path)
    for hour in (22, 23, 30):
        await at(hass, tomorrow(hour))
        assert state(hass, entry, "charge_mode") == mode


async def test_night_while_fast_until_unplugged(
    hass: HomeAssistant, entry: MockConfigEntry, site: MockConfigEntry, tmp_path: Path
) -> None:
    """To change the mode would end it."""
    await price(hass, "0.1")
    await choose(hass, entry, "solar")
    await hass.services.async_call(
        "switch", "turn_on", {"entity_id": FAST}, blocking=True
    )
    await use_night(hass, tmp_path)
    await at(hass, tomorrow(23))
    assert state(hass, entry, "charge_mode") == "solar"
    assert state(hass, entry, "fast_until_unplugged") == "on"


async def test_cheap_at_any_time(
    hass: HomeAssistant, entry: MockConfigEntry, site: MockConfigEntry, tmp_path: Path
) -> None:
    """A night that ends when it starts is always."""
    await price(hass, "0.1")
    await choose(hass, entry, "solar_min")
    always = {"night_start": "00:00:00", "night_end": "00:00:00"}
    await use_night(hass, tmp_path, solar_mode="solar_min", **always)
    await at(hass, tomorrow(12))
    assert state(hass, entry, "charge_mode") == "fast"
    await price(hass, "0.3")
    assert state(hass, entry, "charge_mode") == "solar_min"


async def use_full(hass: HomeAssistant, folder: Path) -> list[ServiceCall]:
    """Make an automation that notifies that the car is full."""
    return await use(
        hass,
        folder,
        "car_is_full",
        charging=CHARGING,
        status=STATUS,
        session_energy=f"sensor.{PREFIX}_session_energy",
        notify=NOTIFY,
    )


async def later(hass: HomeAssistant, **duration: float) -> None:
    """Let time pass, but do not wait until the automation has ended."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(**duration))
    await asyncio.sleep(0.1)


async def see(entry: MockConfigEntry) -> None:
    """Poll the charger, but do not wait until the automation has ended."""
    await entry.runtime_data.coordinator.async_refresh()
    await asyncio.sleep(0.1)


def fill(charger: SimulatedCharger) -> None:
    """Have the car be full."""
    assert charger.car is not None
    charger.car.charge = charger.car.battery


def pause(charger: SimulatedCharger) -> None:
    """Have the charger pause."""
    charger.settings["current_limit"] = 0.0


def fail(charger: SimulatedCharger) -> None:
    """Have the charger report a fault."""
    charger.errors = ChargerErrors.PE_OPEN


@pytest.mark.parametrize(("stop", "told"), [(fill, 1), (pause, 0), (fail, 0)])
async def test_full(
    hass: HomeAssistant,
    plugged_in: Simulator,
    entry: MockConfigEntry,
    tmp_path: Path,
    stop: Callable[[SimulatedCharger], None],
    told: int,
) -> None:
    """A car that stopped by itself is told once, five minutes later."""
    calls = await use_full(hass, tmp_path)
    await see(entry)
    assert hass.states.is_state(CHARGING, "on")
    stop(plugged_in.charger)
    await see(entry)
    assert hass.states.is_state(CHARGING, "off")
    await later(hass, minutes=4)
    assert messages(calls) == []
    await later(hass, minutes=6)
    assert len(found := messages(calls)) == told
    assert all(re.fullmatch(r"The car is full. .* kWh\.", text) for text in found)
    await later(hass, days=1)
    assert messages(calls) == []


async def test_not_full_after_all(
    hass: HomeAssistant, plugged_in: Simulator, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """A car that resumes is not full."""
    calls = await use_full(hass, tmp_path)
    await see(entry)
    fill(plugged_in.charger)
    await see(entry)
    assert plugged_in.charger.car is not None
    plugged_in.charger.car.charge = 20.0
    await see(entry)
    await later(hass, minutes=6)
    assert messages(calls) == []


async def test_full_during_an_outage(
    hass: HomeAssistant, plugged_in: Simulator, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """A charger that is away while the wait ends is waited for."""
    calls = await use_full(hass, tmp_path)
    await see(entry)
    fill(plugged_in.charger)
    await see(entry)
    coordinator = entry.runtime_data.coordinator
    with patch.object(coordinator, "_async_update_data", side_effect=UpdateFailed):
        await see(entry)
        await later(hass, minutes=6)
    assert hass.states.is_state(STATUS, "unavailable")
    assert messages(calls) == []
    await see(entry)
    assert len(messages(calls)) == 1


@pytest.mark.parametrize(("minutes", "told"), [(3, 1), (7, 0)])
async def test_full_over_a_restart(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    plugged_in: Simulator,
    entry: MockConfigEntry,
    tmp_path: Path,
    minutes: int,
    told: int,
) -> None:
    """A wait that a restart ended begins anew, and no other."""
    fill(plugged_in.charger)
    await see(entry)
    hass.set_state(CoreState.starting)
    before = dt_util.utcnow() - timedelta(minutes=minutes)
    await restart(hass, hass_storage, before)
    calls = await use_full(hass, tmp_path)
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await asyncio.sleep(0.1)
    await later(hass, minutes=6)
    assert len(messages(calls)) == told


async def use_nothing(
    hass: HomeAssistant, folder: Path, **inputs: Any
) -> list[ServiceCall]:
    """Make an automation that notifies of a day without charging."""
    return await use(
        hass,
        folder,
        "nothing_charged",
        vehicle_connected=f"binary_sensor.{PREFIX}_vehicle_connected",
        charging=CHARGING,
        status=STATUS,
        limited_by=f"sensor.{PREFIX}_limited_by",
        **inputs,
    )


def next_hour() -> datetime:
    """Return when the next hour begins."""
    this = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    return this + timedelta(hours=1)


async def test_nothing_for_a_day(
    hass: HomeAssistant, plugged_in: Simulator, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """A car that waits all day is told each day, with the reason."""
    await set_number(hass, entry, "current_limit", 0)
    calls = await use_nothing(hass, tmp_path, notify=NOTIFY)
    await poll(hass, entry)
    start = next_hour()
    for hours, told in ((23, 0), (25, 1), (26, 0), (48, 0), (50, 1)):
        await at(hass, start + timedelta(hours=hours))
        found = messages(calls)
        assert len(found) == told, hours
    assert found[0] == (
        "The car is connected, but has not charged for 24 hours. "
        "Limited by: Current limit below 6 A."
    )


async def test_something_in_a_day(
    hass: HomeAssistant, plugged_in: Simulator, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """The day begins anew when the car charges, and ends with the car's own pause."""
    calls = await use_nothing(hass, tmp_path, notify=NOTIFY)
    start = next_hour()
    await at(hass, start + timedelta(hours=1))
    with freeze_time(start + timedelta(hours=20), tick=True, real_asyncio=True):
        await poll(hass, entry)
        assert hass.states.is_state(CHARGING, "on")
    await at(hass, start + timedelta(hours=60))
    assert messages(calls) == []
    with freeze_time(start + timedelta(hours=60), tick=True, real_asyncio=True):
        pause(plugged_in.charger)
        await poll(hass, entry)
    await at(hass, start + timedelta(hours=83))
    assert messages(calls) == []
    plugged_in.charger.settings["current_limit"] = 16.0
    fill(plugged_in.charger)
    await poll(hass, entry)
    await at(hass, start + timedelta(hours=85))
    assert messages(calls) == []


@pytest.mark.parametrize(("hours", "told"), [(23, 0), (25, 1)])
async def test_nothing_over_a_restart(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    plugged_in: Simulator,
    entry: MockConfigEntry,
    tmp_path: Path,
    hours: int,
    told: int,
) -> None:
    """A restart does not begin the day anew."""
    await set_number(hass, entry, "current_limit", 0)
    await poll(hass, entry)
    now = next_hour()
    await restart(hass, hass_storage, now - timedelta(hours=hours))
    calls = await use_nothing(hass, tmp_path, notify=NOTIFY)
    await at(hass, now)
    assert len(messages(calls)) == told


async def test_no_car_for_a_day(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    tmp_path: Path,
) -> None:
    """Without a car, nothing is missed."""
    now = next_hour()
    await restart(hass, hass_storage, now - timedelta(hours=30))
    calls = await use_nothing(hass, tmp_path, notify=NOTIFY)
    await at(hass, now)
    assert messages(calls) == []


async def test_button(
    hass: HomeAssistant,
    plugged_in: Simulator,
    entry: MockConfigEntry,
    site: MockConfigEntry,
    tmp_path: Path,
) -> None:
    """It charges this session fast, and the mode returns after it."""
    await choose(hass, entry, "solar")
    await poll(hass, entry)
    button = [{"trigger": "event", "event_type": "button"}]
    await use(
        hass, tmp_path, "fast_until_unplugged", button=button, fast_until_unplugged=FAST
    )
    assert limit(plugged_in) == 0.0
    for _ in range(2):
        # To press it again changes nothing.
        hass.bus.async_fire("button")
        await hass.async_block_till_done()
        async with asyncio.timeout(5):
            while limit(plugged_in) != 16.0:
                await settle()
        assert state(hass, entry, "fast_until_unplugged") == "on"
    plugged_in.charger.unplug()
    await poll(hass, entry)
    assert state(hass, entry, "fast_until_unplugged") == "off"
    assert state(hass, entry, "charge_mode") == "solar"


async def test_button_while_starting(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """A button that is pressed before the switch is there is not lost."""
    button = [{"trigger": "event", "event_type": "button"}]
    await use(
        hass, tmp_path, "fast_until_unplugged", button=button, fast_until_unplugged=FAST
    )
    hass.bus.async_fire("button")
    await settle()
    hass.states.async_set(GRID, "0", {"unit_of_measurement": "W"})
    site = site_entry()
    site.add_to_hass(hass)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    assert state(hass, entry, "fast_until_unplugged") == "on"
