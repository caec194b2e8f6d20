"""Solar charging and the main fuse, on real sockets, in a driven time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
    sun,
)
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.nexblue_local import charging, site
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.coordinator import NexBlueCoordinator
from custom_components.nexblue_local.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.nexblue_local.ledger.sources import Supply
from custom_components.nexblue_local.modbus.enums import PhaseMode
from custom_components.nexblue_local.surplus.meter import MeterState
from simulator import Car, Mains, SimulatedCharger, Simulator
from tests.waiting import until

from .commands import core, intent, stored
from .conftest import entry_for, timing
from .site import (
    CURRENTS,
    GRID,
    POWERS,
    Clock,
    Home,
    choose,
    driven,
    entity_id,
    limit,
    limit_writes,
    set_number,
    settle,
    site_entry,
    state,
    with_fuse,
)
from .test_repairs import confirm, repair
from .test_services import device_of
from .test_triggers import automate, triggered

THREE_PHASES = Mains()
ONE_PHASE = Mains(offsets=(0.0, -225.0, -225.0))
"""Some volts are induced in wires that are not connected."""

type Build = Callable[..., Awaitable[Home]]


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Return the clock of the site."""
    with driven(result := Clock()), timing(keep_alive_at_most=1.0, confirm_every=0.02):
        yield result


@pytest.fixture
async def build(
    hass: HomeAssistant,
    socket_enabled: None,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Build]:
    """Return how to build a house with chargers, whose first entry is the site's."""
    monkeypatch.setattr(site, "PUBLISH_AFTER", 0.0)
    async with AsyncExitStack() as stack:

        async def build(
            chargers: int = 1,
            phases: int = 1,
            mains: Mains = THREE_PHASES,
            options: dict[str, Any] | None = None,
            **answers: Any,
        ) -> Home:
            home = Home(hass=hass, clock=clock, entries=[], simulators=[])
            for number in range(chargers):
                charger = SimulatedCharger(
                    serial_number=f"NB10SIM0000{number + 1}",
                    read_back_delay=0.0,
                    clock=clock,
                    car=Car(phases=phases),
                    mains=mains,
                )
                charger.settings["fallback_timeout"] = 1800
                simulator = await stack.enter_async_context(
                    Simulator(charger=charger, slot_release=0.1)
                )
                # The last one has the highest priority, and is the first here.
                home.simulators.insert(0, simulator)
                entry = entry_for(simulator, priority=50 + number, **(options or {}))
                home.entries.insert(0, entry)
                entry.add_to_hass(hass)
                assert await hass.config_entries.async_setup(entry.entry_id)
            home.site = site_entry(**answers)
            home.site.add_to_hass(hass)
            home.report()
            assert await hass.config_entries.async_setup(home.site.entry_id)
            await hass.async_block_till_done()
            return home

        yield build


async def in_sun(build: Build, amps: float = 10.0, **answers: Any) -> Home:
    """Return a house in whose sun the first charger charges."""
    home = await build(**answers)
    # The car charges already: it need not be waited for.
    home.sun = amps * 232
    if "battery" in answers:
        home.others["sensor.battery"] = (0, "W")
    await home.run(90)
    await choose(home.hass, home.entries[0], "solar")
    await home.run(30)
    assert limit(home.simulators[0]) == pytest.approx(amps, abs=0.5)
    return home


async def test_a_day(hass: HomeAssistant, build: Build) -> None:
    """The car follows the sun, pauses when it is gone, and waits for it."""
    home = await build()
    (charger,), (entry,) = home.simulators, home.entries
    home.sun = 2320.0
    # Until the car is known to use one phase.
    await home.run(90)
    assert limit_writes(charger) == 0
    await choose(hass, entry, "solar")
    assert intent(entry) == {"current_limit": 16.0}
    await home.run(40)
    assert limit(charger) == pytest.approx(10.0, abs=0.5)
    assert state(hass, entry, "limited_by") == "sun"
    assert float(state(hass, home.site, "surplus_power")) == pytest.approx(2320, abs=99)
    home.sun = 9000.0
    await home.run(400)
    assert limit(charger) == 16.0
    assert state(hass, entry, "limited_by") == "app_maximum"
    assert float(state(hass, entry, "session_solar_energy")) > 0.1
    home.sun = 0.0
    await home.run(10)
    assert state(hass, entry, "limited_by") == "pausing_soon"
    assert state(hass, entry, "next_change") != "unknown"
    await home.run(600)
    assert limit(charger) == 0.0
    assert state(hass, entry, "limited_by") == "waiting_for_sun"
    assert intent(entry) == {"current_limit": 16.0}


async def test_decisions_that_change_nothing(build: Build) -> None:
    """They write nothing, and nothing is stored for a decision."""
    with timing(keep_alive_at_most=60.0):
        home = await in_sun(build)
    (charger,), (entry,) = home.simulators, home.entries
    await home.run(60)
    before = limit_writes(charger)
    with patch.object(entry.runtime_data.controller._store, "async_save") as save:
        await home.run(100)
        for _ in range(20):
            home.report()
            await settle()
    assert limit_writes(charger) == before
    assert save.call_count == 0


@pytest.mark.parametrize("value", ["unavailable", "nan", "1e9", None])
async def test_meter_lost(hass: HomeAssistant, build: Build, value: str | None) -> None:
    """The car gets the minimum at once, then nothing, until the meter is back."""
    home = await in_sun(build)
    (charger,), (entry,) = home.simulators, home.entries
    if value is None:
        home.reports = False
        await home.run(40)
    else:
        home.grid = value
        await home.run(10)
    assert limit(charger) == 6.0
    assert state(hass, entry, "limited_by") == "meter_lost"
    assert state(hass, home.site, "meter_lost") == "on"
    await home.run(100)
    assert limit(charger) == 0.0
    home.grid, home.reports = None, True
    await home.run(20)
    assert state(hass, home.site, "meter_lost") == "on"
    await home.run(90)
    assert limit(charger) == pytest.approx(10.0, abs=0.5)
    assert state(hass, home.site, "meter_lost") == "off"


async def test_reports_that_never_change(hass: HomeAssistant, build: Build) -> None:
    """A value that stays the same is as good as any."""
    home = await in_sun(build)
    home.grid = 0
    await home.run(200)
    assert limit(home.simulators[0]) == pytest.approx(10.0, abs=0.5)
    assert state(hass, home.site, "meter_lost") == "off"


async def test_solar_min_and_wrong_sign(build: Build) -> None:
    """A meter that is the wrong way round never makes more than the ceiling of it."""
    home = await build()
    (charger,), (entry,) = home.simulators, home.entries
    await home.run(20)
    await choose(home.hass, entry, "solar_min")
    home.grid = "-99000"
    await home.run(60)
    assert limit(charger) == 16.0
    home.grid = "99000"
    await home.run(60)
    assert limit(charger) == 6.0


@pytest.mark.parametrize(
    ("field", "issue_id"),
    [
        ("invert_grid_power", "grid_sign_wrong"),
        ("invert_battery_power", "battery_sign_wrong"),
    ],
)
async def test_wrong_sign(
    hass: HomeAssistant, build: Build, field: str, issue_id: str
) -> None:
    """It is found while the car charges in the dark, and the repair turns it round."""
    battery = {"battery_power": "sensor.battery", "invert_battery_power": False}
    home = await build(invert_grid_power=False, battery=battery)
    (charger,) = home.simulators
    issues = ir.async_get(hass)

    async def run(seconds: float) -> bool:
        """Return whether there is an issue after the meters have been wrong."""
        end = home.clock.t + seconds
        while home.clock.t < end:
            # Either the grid or the battery supplies the car.
            is_grid = field == "invert_grid_power"
            home.grid = -300 - home.cars if is_grid else 300
            home.others["sensor.battery"] = (0 if is_grid else -home.cars, "W")
            await home.step()
        return issues.async_get_issue(DOMAIN, issue_id) is not None

    with patch.object(sun, "is_up", return_value=True):
        assert not await run(400)
    with patch.object(sun, "is_up", return_value=False):
        assert await run(400)
        flow = await repair(hass, issue_id)
        assert flow["step_id"] == "confirm"
        await confirm(hass, flow)
        await hass.async_block_till_done()
        config = home.site.runtime_data.config
        assert config.grid.is_inverted is (field == "invert_grid_power")
        assert config.battery.is_inverted is (field == "invert_battery_power")
        assert not await run(400)
    assert charger.charger.currents[0] > 0


async def test_sign_of_a_meter_that_is_lost(hass: HomeAssistant, build: Build) -> None:
    """What it showed last says nothing about its sign."""
    home = await build()
    home.grid = -4000
    with patch.object(sun, "is_up", return_value=False):
        await home.run(20)
        home.reports = False
        await home.run(400)
    assert home.cars > 3000
    assert ir.async_get(hass).async_get_issue(DOMAIN, "grid_sign_wrong") is None


async def test_battery_that_discharges(hass: HomeAssistant, build: Build) -> None:
    """What the battery gives is no surplus."""
    home = await build(battery={"battery_power": "sensor.battery"})
    (charger,), (entry,) = home.simulators, home.entries
    home.sun = 2320.0
    await home.run(90)
    await choose(hass, entry, "solar")
    await home.step()
    # It would look like sun while its power is unknown.
    assert limit(charger) == 0.0
    assert state(hass, entry, "limited_by") == "starting"
    home.others["sensor.battery"] = (0, "W")
    await home.run(150)
    assert limit(charger) == pytest.approx(10.0, abs=0.5)
    # A cloud, which the battery hides from the meter.
    home.others["sensor.battery"] = (2320, "W")
    await home.run(20)
    assert state(hass, entry, "limited_by") == "battery"
    await home.run(400)
    assert limit(charger) == 0.0


async def test_the_users_limit(hass: HomeAssistant, build: Build) -> None:
    """It moves the ceiling; a time limit does so for a while."""
    home = await in_sun(build)
    (charger,), (entry,) = home.simulators, home.entries
    await set_number(hass, entry, "current_limit", 8)
    event = hass.states.get(entity_id(hass, entry, "control_event"))
    assert event is not None
    assert event.attributes["event_type"] == "ceiling_changed"
    assert event.attributes["limit"] == 8.0
    await home.run(10)
    assert limit(charger) == 8.0
    assert state(hass, entry, "charge_mode") == "solar"
    await set_number(hass, entry, "current_limit", 16)
    assert limit(charger) <= 10.5
    await home.run(100)
    assert limit(charger) == pytest.approx(10.0, abs=0.5)
    lease = {"current_limit": 7, "valid_for": 10, "safe_limit": 9}
    target = {"entity_id": "switch.nexblue_delta_max_allow_charging"}
    await hass.services.async_call(DOMAIN, "set_limits", lease | target, blocking=True)
    await home.run(10)
    assert limit(charger) == 7.0


async def test_release_control(hass: HomeAssistant, build: Build) -> None:
    """The mode is manual then, and nothing is written any more."""
    home = await in_sun(build)
    (charger,), (entry,) = home.simulators, home.entries
    target = {"entity_id": "switch.nexblue_delta_max_allow_charging"}
    await hass.services.async_call(DOMAIN, "release_control", target, blocking=True)
    assert state(hass, entry, "charge_mode") == "manual"
    assert intent(entry) == {}
    before = limit_writes(charger)
    await home.run(100)
    await asyncio.sleep(1.2)
    assert limit_writes(charger) == before


async def test_unplug(hass: HomeAssistant, build: Build) -> None:
    """Fast charging and an energy are for one session."""
    home = await build()
    (charger,), (entry,) = home.simulators, home.entries
    await home.run(20)
    await choose(hass, entry, "solar")
    switch = {"entity_id": "switch.nexblue_delta_max_fast_until_unplugged"}
    await hass.services.async_call("switch", "turn_on", switch, blocking=True)
    await home.run(20)
    assert limit(charger) == 16.0
    await set_number(hass, entry, "stop_after_energy", 0.5)
    await home.run(600)
    assert limit(charger) == 0.0
    assert charger.charger.session_energy == pytest.approx(0.5, abs=0.1)
    assert state(hass, entry, "limited_by") == "energy_reached"
    charger.charger.unplug()
    await home.run(20)
    assert state(hass, entry, "fast_until_unplugged") == "off"
    charger.charger.plug_in(Car(phases=1))
    await home.run(20)
    assert limit(charger) == 0.0
    assert state(hass, entry, "limited_by") == "waiting_for_sun"


async def test_energy_reached_before_a_reload(
    hass: HomeAssistant, build: Build
) -> None:
    """The pause holds while the charger is set up again."""
    home = await build()
    (charger,), (entry,) = home.simulators, home.entries
    await set_number(hass, entry, "current_limit", 16)
    await home.run(600)
    await set_number(hass, entry, "stop_after_energy", 0.2)
    await home.run(20)
    assert limit(charger) == 0.0
    charger.log.clear()
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await home.run(20)
    written = {request.words for request in charger.log if request.address == 1000}
    assert written - {()} == {(0, 0)}


def phase_mode(simulator: Simulator) -> PhaseMode:
    """Return the phase mode that a charger has."""
    mode = simulator.charger.settings["phase_mode"]
    assert isinstance(mode, PhaseMode)
    return mode


# Several chargers and the fuse


async def test_two_chargers(build: Build) -> None:
    """The first gets the sun, the second what is left."""
    home = await build(chargers=2)
    home.sun = 16 * 230 + 7.5 * 230
    await home.run(90)
    for entry in home.entries:
        await choose(home.hass, entry, "solar")
    await home.run(600)
    first, second = map(limit, home.simulators)
    assert first == 16.0
    assert second == pytest.approx(8.0, abs=1.0)


@pytest.mark.parametrize("mode", ["fast", "solar", "manual"])
async def test_fuse(hass: HomeAssistant, build: Build, mode: str) -> None:
    """It holds within one report, in any mode and against commands."""
    home = await build(**with_fuse())
    (charger,), (entry,) = home.simulators, home.entries
    home.sun = 9000.0
    await home.run(90)
    if mode == "manual":
        await set_number(hass, entry, "current_limit", 16)
    await choose(hass, entry, mode)
    await home.run(120)
    assert limit(charger) == 16.0
    home.house_a = (15.0, 0.0, 0.0)
    await home.step()
    assert limit(charger) == 9.0
    assert float(state(hass, home.site, "fuse_headroom")) == pytest.approx(-6, abs=0.5)
    await set_number(hass, entry, "current_limit", 15)
    await settle()
    assert limit(charger) == 9.0
    await home.step()
    assert state(hass, entry, "limited_by") == "fuse"
    home.house_a = (22.0, 0.0, 0.0)
    await home.step()
    assert limit(charger) == 0.0
    home.house_a = (0.0, 0.0, 0.0)
    await home.run(50)
    assert limit(charger) == 0.0
    if mode != "solar":
        await home.run(30)
        assert limit(charger) == 15.0


async def test_fuse_where_nothing_was_asked_for(
    hass: HomeAssistant, build: Build, hass_storage: dict[str, Any]
) -> None:
    """It writes only what it has to, and afterwards what it found."""
    home = await build(**with_fuse())
    (charger,), (entry,) = home.simulators, home.entries
    home.house_a = (5.0, 0.0, 0.0)
    await home.run(60)
    assert limit_writes(charger) == 0
    home.house_a = (15.0, 0.0, 0.0)
    await home.step()
    assert limit(charger) == 9.0
    assert intent(entry) == {}
    assert stored(hass_storage, entry)["charging"]["found_limit"] == 16.0
    home.house_a = (5.0, 0.0, 0.0)
    await home.run(80)
    assert limit(charger) == 16.0


async def test_one_measured_phase(build: Build) -> None:
    """The fuse holds on this phase, and without a value of it."""
    fuse = {"main_fuse": 25.0, "house_current_l1": CURRENTS[0]}
    home = await build(phases=3, fuse=fuse)
    (charger,), (entry,) = home.simulators, home.entries
    home.house_a = (0.0, 30.0, 30.0)
    await home.run(20)
    await choose(home.hass, entry, "fast")
    await home.run(80)
    assert limit(charger) == 16.0
    home.house_a = (15.0, 0.0, 0.0)
    await home.step()
    assert limit(charger) == 9.0
    home.hass.states.async_set(CURRENTS[0], "unavailable")
    await settle()
    assert limit(charger) == 6.0
    home.reports = False
    await home.run(70)
    assert limit(charger) == 0.0


async def test_charger_on_a_phase_that_is_not_measured(build: Build) -> None:
    """It pauses after a minute with the minimum: nothing is known of its phase."""
    home = await build(
        mains=ONE_PHASE,
        options={"phase_rotation": "L2, L3, L1"},
        fuse={"main_fuse": 25.0, "house_current_l1": CURRENTS[0]},
    )
    (charger,), (entry,) = home.simulators, home.entries
    await home.run(20)
    await choose(home.hass, entry, "fast")
    assert limit(charger) == 6.0
    await home.run(60)
    assert limit(charger) == 0.0


async def test_unsigned_current_of_one_phase(build: Build) -> None:
    """Its sign is that of the total power: an export leaves the car what it can use."""
    fuse = {"main_fuse": 25.0, "house_current_l1": CURRENTS[0]}
    home = await build(mains=ONE_PHASE, fuse=fuse)
    (charger,), (entry,) = home.simulators, home.entries
    home.is_unsigned = True
    await choose(home.hass, entry, "off")
    home.house_a, home.sun = (-20.0, 0.0, 0.0), 20.0 * 230
    await home.run(80)
    await choose(home.hass, entry, "fast")
    await home.run(20)
    assert limit(charger) == 16.0
    home.house_a, home.sun, home.house_w = (15.0, 0.0, 0.0), 0.0, 15.0 * 230
    await home.step()
    assert limit(charger) == 9.0


@pytest.mark.parametrize(
    ("has_powers", "amps"),
    [pytest.param(True, 16.0, id="powers"), pytest.param(False, 0.0, id="currents")],
)
async def test_unsigned_currents_of_three_phases(
    hass: HomeAssistant, build: Build, has_powers: bool, amps: float
) -> None:
    """Their signs are those of the powers of the meter; without, all is import."""
    registry = er.async_get(hass)
    meter = MockConfigEntry()
    meter.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=meter.entry_id, identifiers={("meter", "1")}
    )
    for sensor in (*CURRENTS, *(POWERS if has_powers else ())):
        registry.async_get_or_create(
            "sensor",
            "meter",
            sensor,
            suggested_object_id=sensor.removeprefix("sensor."),
            original_device_class="power" if sensor in POWERS else "current",
            device_id=device.id,
        )
    home = await build(phases=3, **with_fuse())
    (charger,), (entry,) = home.simulators, home.entries
    home.is_unsigned = True
    await choose(hass, entry, "off")
    home.house_a, home.sun = (-20.0, -20.0, -20.0), 60.0 * 230
    await home.run(80)
    await choose(hass, entry, "fast")
    await home.run(20)
    assert limit(charger) == amps
    found = await async_get_config_entry_diagnostics(hass, home.site)
    assert found["unsigned_phases"] == (() if has_powers else (1, 2, 3))
    home.house_a, home.sun, home.house_w = (15.0, 0.0, 0.0), 0.0, 15.0 * 230
    await home.run(70)
    assert limit(charger) == 9.0


# The site comes and goes


async def test_restart_in_sun(hass: HomeAssistant, build: Build) -> None:
    """A charger that is set up before the site waits for it."""
    home = await in_sun(build, **with_fuse())
    (charger,), (entry,) = home.simulators, home.entries
    await hass.config_entries.async_unload(home.site.entry_id)
    await hass.config_entries.async_reload(entry.entry_id)
    await asyncio.sleep(0.2)
    assert limit(charger) == 0.0
    assert state(hass, entry, "charge_mode") == "solar"
    assert state(hass, entry, "limited_by") == "starting"
    await choose(hass, entry, "fast")
    # The fuse is not known yet.
    await until(lambda: limit(charger) == 6.0)
    await hass.config_entries.async_setup(home.site.entry_id)
    await home.run(90)
    assert limit(charger) == 16.0


async def test_reload_of_the_site(hass: HomeAssistant, build: Build) -> None:
    """The limits stay as they are for a minute, then the meter is lost."""
    home = await in_sun(build)
    (charger,), (entry,) = home.simulators, home.entries
    before = limit(charger)
    with patch.object(charging, "FROZEN_FOR", 0.5):
        await hass.config_entries.async_unload(home.site.entry_id)
        await asyncio.sleep(0.3)
        assert limit(charger) == before
        await asyncio.sleep(0.5)
    assert limit(charger) == 0.0
    await home.step()
    assert state(hass, entry, "limited_by") == "meter_lost"
    assert state(hass, entry, "charge_mode") == "solar"


@pytest.mark.parametrize("how", ["disable", "remove"])
async def test_site_that_ends(hass: HomeAssistant, build: Build, how: str) -> None:
    """The user's limit holds, in manual, and an issue says that the fuse does not."""
    home = await in_sun(build, **with_fuse())
    (charger,), (entry,) = home.simulators, home.entries
    if how == "remove":
        await hass.config_entries.async_remove(home.site.entry_id)
    else:
        await hass.config_entries.async_set_disabled_by(
            home.site.entry_id, ConfigEntryDisabler.USER
        )
    await hass.async_block_till_done()
    await settle()
    assert limit(charger) == 16.0
    assert entry.runtime_data.controller.charging.mode == "manual"
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, "fuse_not_protected") is not None
    mode = hass.states.get("select.nexblue_delta_max_charge_mode")
    shown = None if mode is None else mode.state
    assert shown == (None if how == "remove" else "unavailable")
    if how == "disable":
        await hass.config_entries.async_set_disabled_by(home.site.entry_id, None)
    else:
        home.site = site_entry(**with_fuse())
        home.site.add_to_hass(hass)
        assert await hass.config_entries.async_setup(home.site.entry_id)
    await hass.async_block_till_done()
    await home.step()
    assert state(hass, entry, "charge_mode") == "manual"
    assert issues.async_get_issue(DOMAIN, "fuse_not_protected") is None


async def test_site_that_ended_meanwhile(hass: HomeAssistant, build: Build) -> None:
    """A charger that was not set up notices it when it is."""
    home = await in_sun(build)
    (charger,), (entry,) = home.simulators, home.entries
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.config_entries.async_remove(home.site.entry_id)
    await hass.config_entries.async_setup(entry.entry_id)
    await asyncio.sleep(0.2)
    assert limit(charger) == 16.0
    assert hass.states.get("select.nexblue_delta_max_charge_mode") is None


async def test_no_site(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Without a site, a charger has no entities of one."""
    assert hass.states.get("select.nexblue_delta_max_charge_mode") is None
    assert hass.states.get("sensor.nexblue_delta_max_next_change_expected") is None


async def test_triggers(hass: HomeAssistant, build: Build) -> None:
    """What the site decides starts automations."""
    home = await build()
    (entry,) = home.entries
    calls = await automate(
        hass,
        [device_of(hass, entry), device_of(hass, home.site)],
        "charge_mode_changed",
        "meter_lost",
        "surplus_crossed_threshold",
        "waiting_for_sun",
    )
    await home.run(20)
    await choose(hass, entry, "off")
    assert triggered(calls) == []
    await choose(hass, entry, "solar")
    await home.run(20)
    assert sorted(triggered(calls)) == ["charge_mode_changed", "waiting_for_sun"]
    home.sun = 2000.0
    await home.run(30)
    home.grid = "unavailable"
    await home.run(20)
    assert triggered(calls) == ["surplus_crossed_threshold", "meter_lost"]


@pytest.mark.parametrize("mode", ["solar", "off"])
async def test_conditions(hass: HomeAssistant, build: Build, mode: str) -> None:
    """An automation runs only if all of them are met."""
    home = await build()
    (entry,) = home.entries
    devices = [device_of(hass, entry), device_of(hass, home.site)]
    above = {"type": "above", "value": {"number": 1, "unit_of_measurement": "kW"}}

    def condition(name: str, **options: Any) -> dict[str, Any]:
        return {
            "condition": f"nexblue_local.{name}",
            "target": {"device_id": devices},
            "options": options,
        }

    calls = await automate(
        hass,
        devices,
        "surplus_crossed_threshold",
        conditions=[
            condition("charge_mode_is", mode=["solar", "solar_min"]),
            condition("surplus_is", threshold=above),
            condition("is_waiting_for_sun"),
            {"condition": "not", "conditions": [condition("meter_is_lost")]},
        ],
    )
    await choose(hass, entry, mode)
    await home.run(20)
    # Not enough for a car that may use three phases.
    home.sun = 2000.0
    await home.run(30)
    is_met = mode == "solar"
    assert triggered(calls) == (["surplus_crossed_threshold"] if is_met else [])


async def test_diagnostics(hass: HomeAssistant, build: Build) -> None:
    """They say what the meter says, and what is decided, without a serial number."""
    home = await in_sun(build)
    found = await async_get_config_entry_diagnostics(hass, home.site)
    assert found["meter_state"] == "valid"
    assert found["surplus_w"] == pytest.approx(2320, abs=99)
    assert found["chargers"][0]["reason"] == "sun"
    assert "NB10" not in str(found)
    (entry,) = home.entries
    of_charger = await async_get_config_entry_diagnostics(hass, entry)
    assert of_charger["charging"]["mode"] == "solar"


async def test_other_settings_of_the_site(hass: HomeAssistant, build: Build) -> None:
    """They apply at once, and the limits stay meanwhile."""
    home = await in_sun(build)
    (charger,) = home.simulators
    await set_number(hass, home.site, "export_kept", 690)
    await home.run(120)
    assert limit(charger) == pytest.approx(7.0, abs=0.5)
    await choose(hass, home.site, "few", "restarts")
    assert home.site.options == {"export_kept": 690, "restarts": "few"}
    await hass.config_entries.async_reload(home.site.entry_id)
    assert state(hass, home.site, "export_kept") == "690.0"
    assert state(hass, home.site, "restarts") == "few"


async def test_actions_leave_the_site_alone(hass: HomeAssistant, build: Build) -> None:
    """Its device is no charger."""
    home = await build()
    with pytest.raises(ServiceValidationError):
        await hass.services.async_call(
            DOMAIN,
            "set_limits",
            {"device_id": device_of(hass, home.site), "current_limit": 8},
            blocking=True,
        )


async def test_phases(hass: HomeAssistant, build: Build) -> None:
    """They follow the surplus within the budget, and then are the user's again."""
    home = await build(phases=3)
    (charger,), (entry,) = home.simulators, home.entries
    await home.run(20)
    await choose(hass, entry, "solar")
    home.sun = 2320.0
    await home.run(900)
    assert phase_mode(charger) is PhaseMode.SINGLE_PHASE
    assert limit(charger) == pytest.approx(10.0, abs=1.0)
    assert intent(entry) == {"current_limit": 16.0}
    assert state(hass, entry, "phase_switches_left") == "0"
    await choose(hass, entry, "manual")
    await home.run(30)
    # Too soon after the switch.
    assert phase_mode(charger) is PhaseMode.SINGLE_PHASE
    assert limit(charger) == 16.0
    core(entry).state.phases.budget.switches.clear()
    await home.run(30)
    await asyncio.sleep(0.2)
    assert phase_mode(charger) is PhaseMode.ADAPTIVE


async def test_phases_of_the_user(hass: HomeAssistant, build: Build) -> None:
    """A phase mode that was chosen stays."""
    home = await build(phases=3)
    (charger,), (entry,) = home.simulators, home.entries
    select = {"entity_id": entity_id(hass, entry, "phase_mode")}
    await hass.services.async_call(
        "select", "select_option", select | {"option": "three_phase"}, blocking=True
    )
    await choose(hass, entry, "solar")
    home.sun = 2320.0
    await home.run(900)
    assert phase_mode(charger) is PhaseMode.THREE_PHASE
    assert limit(charger) == 0.0


async def test_five_chargers_under_a_fuse(build: Build) -> None:
    """Those with the lowest priority give way first, and the fuse holds."""
    home = await build(chargers=5, **with_fuse(40.0))
    await home.run(20)
    for entry in home.entries:
        await choose(home.hass, entry, "fast")
    await home.run(200)
    limits = [limit(each) for each in home.simulators]
    assert limits[0] == 16.0
    assert sum(limits) <= 39.0
    assert limits == sorted(limits, reverse=True)
    home.house_a = (25.0, 0.0, 0.0)
    await home.step()
    limits = [limit(each) for each in home.simulators]
    assert sum(limits) <= 14.0
    assert limits[0] >= 6.0


async def test_each_report_decides(build: Build) -> None:
    """A report decides at once, also if nothing has changed; so does the time."""
    home = await build()
    decided = home.site.runtime_data
    home.clock.t += 1
    home.report()
    await settle()
    assert decided._decided_at == home.clock.t
    home.clock.t += 1
    async_fire_time_changed(home.hass, dt_util.utcnow() + site.DECIDE_EVERY)
    await settle()
    assert decided._decided_at == home.clock.t
    home.clock.t += 1
    await set_number(home.hass, home.site, "export_kept", 100)
    assert decided._decided_at == home.clock.t


async def test_reports_are_shown_together(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sun that is reported after the grid never shows as a load of the house."""
    home = await build(solar={"solar_power": "sensor.sun"})
    monkeypatch.setattr(site, "PUBLISH_AFTER", 0.2)
    home.grid, home.others["sensor.sun"] = -2000, (3000, "W")
    home.report()
    await asyncio.sleep(0.3)
    house = entity_id(home.hass, home.site, "house_power")
    shown: list[str] = []

    @callback
    def show(event: Event[EventStateChangedData]) -> None:
        if event.data["entity_id"] == house and event.data["new_state"] is not None:
            shown.append(event.data["new_state"].state)

    home.hass.bus.async_listen(EVENT_STATE_CHANGED, show)
    for sensor, value in ((GRID, "0"), ("sensor.sun", "1400")):
        home.hass.states.async_set(sensor, value, {"unit_of_measurement": "W"})
        await settle()
    await asyncio.sleep(0.3)
    assert [float(value) for value in shown] == [1400.0]
    # A car that starts between two reads is no load of the house.
    for grid in ("0", "7000", "0"):
        home.clock.t += 5
        home.hass.states.async_set(GRID, grid, {"unit_of_measurement": "W"})
        await asyncio.sleep(0.3)
    assert {float(value) for value in shown} == {1400.0}


async def test_house_power_without_a_charger(hass: HomeAssistant, build: Build) -> None:
    """What a charger drew before it lost its power is not what it draws now."""
    home = await build(solar={"solar_power": "sensor.sun"})
    (charger,), (entry,) = home.simulators, home.entries
    home.house_w, home.others["sensor.sun"] = 400.0, (0, "W")
    await home.run(60)
    assert state(hass, home.site, "house_power") == "400.0"
    await charger.stop()
    home.grid = 400
    await home.run(30)
    assert state(hass, home.site, "house_power") == "unknown"
    home.grid = None
    charger.charger.unplug()
    await charger.start()
    await home.run(10)
    assert entry.runtime_data.coordinator.last_update_success
    assert state(hass, home.site, "house_power") == "400.0"


async def test_house_power_after_a_reload(hass: HomeAssistant, build: Build) -> None:
    """A car that starts before the meter's next report makes it no 0 W."""
    home = await build(solar={"solar_power": "sensor.sun"})
    (charger,), (entry,) = home.simulators, home.entries
    home.house_w, home.others["sensor.sun"] = 400.0, (0, "W")
    charger.charger.unplug()
    await home.run(20)
    assert home.cars == 0.0
    await hass.config_entries.async_reload(home.site.entry_id)
    charger.charger.plug_in(Car(phases=1))
    home.reports = False
    await home.run(60)
    assert home.site.runtime_data._members[entry.entry_id].power_w > 3000
    assert state(hass, home.site, "house_power") == "400.0"


async def test_solar_energy(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is imported and what the battery gives is not the sun's, nor is a gap."""
    home = await in_sun(build, battery={"battery_power": "sensor.battery"})
    decided = home.site.runtime_data
    supply = Supply()
    monkeypatch.setattr(home.entries[0].runtime_data.recorder, "supply", supply.add)
    car = home.cars

    def energy(seconds: float, grid: float, battery: float) -> float:
        """Return how much a time adds, in Ws, with what the meters say then."""
        home.grid, home.others["sensor.battery"] = grid, (battery, "W")
        home.report()
        decided.async_decide()
        before = supply.solar_wh
        home.clock.t += seconds
        decided.async_decide()
        return (supply.solar_wh - before) * 3600

    assert energy(10, 0, 0) == pytest.approx(car * 10, rel=0.02)
    assert energy(10, -3000, -500) == pytest.approx(car * 10, rel=0.02)
    assert energy(10, 500, 0) == pytest.approx((car - 500) * 10, rel=0.02)
    assert energy(10, 0, 500) == pytest.approx((car - 500) * 10, rel=0.02)
    assert energy(10, 9000, 0) == 0.0
    assert energy(3600, 0, 0) == 0.0
    # What was read last says nothing about an outage.
    home.entries[0].runtime_data.coordinator.last_update_success = False
    assert energy(10, 0, 0) == 0.0


async def test_solar_energy_as_shown(hass: HomeAssistant, build: Build) -> None:
    """It is never more than the energy of the session, which is shown in steps."""
    home = await in_sun(build, 16.0)
    (entry,) = home.entries
    for _ in range(12):
        await home.step()
        solar, whole = (
            float(state(hass, entry, key))
            for key in ("session_solar_energy", "session_energy")
        )
        assert 0 < solar <= whole


async def test_energy_while_the_meter_is_silent(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter that stopped reporting says nothing about where the energy comes from."""
    home = await build()
    (entry,) = home.entries
    home.grid = -5000
    await home.run(60)
    await choose(home.hass, entry, "fast")
    await home.run(60)
    home.reports = False
    await home.run(180)
    assert home.site.runtime_data.meter_state is MeterState.LOST
    assert home.cars > 3000
    supply = Supply()
    monkeypatch.setattr(entry.runtime_data.recorder, "supply", supply.add)
    await home.run(600)
    assert supply.energy_wh == 0.0


async def test_charger_that_is_gone_hides_no_load_from_the_fuse(build: Build) -> None:
    """What was read last of a charger is not subtracted from the load for good."""
    home = await build(chargers=2, phases=3, fuse={"main_fuse": 25.0})
    first, second = home.simulators
    for entry in home.entries:
        await choose(home.hass, entry, "fast")
    await home.run(200)
    assert (limit(first), limit(second)) == (16.0, 8.0)
    # The first has no power any more: its breaker has tripped.
    await first.power_off()
    await home.run(60)
    gone = home.entries.pop(0)
    assert not gone.runtime_data.coordinator.last_update_success
    home.house_w = 5000.0
    await home.run(120)
    # 21.7 A may be on one phase.
    assert limit(second) == 0.0


async def test_no_wrong_sign_of_a_car_that_cannot_be_read(
    hass: HomeAssistant, build: Build
) -> None:
    """What was read last of a car says nothing about the signs."""
    battery = {"battery_power": "sensor.battery"}
    home = await build(battery=battery)
    (entry,) = home.entries
    home.others["sensor.battery"] = (0, "W")
    await home.run(60)
    assert home.cars > 3000
    coordinator = entry.runtime_data.coordinator
    await home.simulators[0].power_off()
    with patch.object(sun, "is_up", return_value=False):
        # At night, the battery charges from the grid.
        home.grid = 2000
        home.others["sensor.battery"] = (-1800, "W")
        await home.run(600)
    assert not coordinator.last_update_success
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, "battery_sign_wrong") is None


async def test_fuse_without_phases_and_a_meter_that_reports_every_30_s(
    build: Build,
) -> None:
    """What the car drew before is not taken for a load until the next report."""
    home = await build(phases=3, fuse={"main_fuse": 25.0})
    (charger,), (entry,) = home.simulators, home.entries
    step = home.step
    count = 0

    async def slow() -> None:
        nonlocal count
        count += 1
        home.reports = count % 3 == 0
        await step()

    home.step = slow  # type: ignore[method-assign]
    await choose(home.hass, entry, "fast")
    await home.run(420)
    assert limit(charger) == 16.0
    await set_number(home.hass, entry, "current_limit", 8)
    for _ in range(12):
        await home.step()
        assert limit(charger) == 8.0


async def test_no_wrong_sign_of_a_battery_that_is_silent(
    hass: HomeAssistant, build: Build
) -> None:
    """What a battery showed hours ago says nothing about its sign."""
    home = await build(battery={"battery_power": "sensor.battery"})
    home.others["sensor.battery"] = (-1800, "W")
    home.sun = 6000.0
    await home.run(60)
    assert home.cars > 3000
    # It does not report any more, at dusk.
    del home.others["sensor.battery"]
    await home.run(600)
    home.sun = 0.0
    with patch.object(sun, "is_up", return_value=False):
        await home.run(600)
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, "battery_sign_wrong") is None


async def test_decision_that_fails(
    hass: HomeAssistant, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of our own leaves no limit in force that nobody checks."""
    home = await in_sun(build, **with_fuse())
    (charger,), (entry,) = home.simulators, home.entries
    assert limit(charger) == pytest.approx(10.0, abs=0.5)
    controller = home.site.runtime_data._controller
    with patch.object(controller, "decide", side_effect=ZeroDivisionError):
        await home.run(20)
        assert limit(charger) == 0.0
        assert state(hass, entry, "limited_by") == "meter_lost"
    assert caplog.text.count("Nothing can be decided") == 1
    await home.run(200)
    assert limit(charger) == pytest.approx(10.0, abs=0.5)


async def test_slow_polls(hass: HomeAssistant, build: Build) -> None:
    """A site needs more recent reads than the user's interval may give."""
    home = await build()
    (entry,) = home.entries
    hass.config_entries.async_update_entry(entry, options={"scan_interval": 60})
    await hass.config_entries.async_reload(entry.entry_id)
    await settle()
    coordinator = entry.runtime_data.coordinator
    await coordinator.async_refresh()
    assert coordinator.update_interval == timedelta(seconds=20)
    await hass.config_entries.async_remove(home.site.entry_id)
    await coordinator.async_refresh()
    assert coordinator.update_interval == timedelta(seconds=60)


async def test_age_of_a_charger(build: Build) -> None:
    """What was read of a charger is as old as the read."""
    home = await build()
    (entry,) = home.entries
    home.clock.t += 2.0
    with patch.object(NexBlueCoordinator, "age", 20.0):
        await entry.runtime_data.coordinator.async_refresh()
        await settle()
    member = home.site.runtime_data._members[entry.entry_id]
    assert member.reading.at == home.clock.t - 20.0


async def test_reads_decide_once_a_second(build: Build) -> None:
    """A charger that was read is decided on at once, or within a second of the last."""
    home = await build(chargers=2)
    first, second = (entry.runtime_data.coordinator for entry in home.entries)
    home.clock.t += 2.0
    decided_at = home.clock.t
    await first.async_refresh()
    await settle()
    assert home.site.runtime_data._decided_at == decided_at
    home.clock.t += 0.5
    await second.async_refresh()
    await settle()
    assert home.site.runtime_data._decided_at == decided_at
    async with asyncio.timeout(5):
        while home.site.runtime_data._decided_at != home.clock.t:
            await settle()
