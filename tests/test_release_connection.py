"""Test the action that releases the connection, on real sockets."""

import asyncio
import logging

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.update_coordinator import UpdateFailed
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.coordinator import BACK_OFF
from custom_components.nexblue_local.domain_data import async_get_domain_data
from custom_components.nexblue_local.modbus.enums import StartStop
from custom_components.nexblue_local.modbus.errors import ConnectionReleased
from simulator import Fault, FaultKind, Simulator
from tests.commands import LIMIT, PREFIX, SINGLE, STOP, intent, number, writes
from tests.conftest import entry_data, entry_for, timing
from tests.test_init import poll, state
from tests.test_services import act, lease

pytestmark = pytest.mark.usefixtures("quick_commands")


async def test_release_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nothing connects during the pause, and polling continues after it."""
    await LIMIT.give(hass)
    limit = f"number.{PREFIX}_charging_current_limit"
    await entry.runtime_data.coordinator.async_release_connection(1.5, force=False)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected
    assert state(hass, f"sensor.{PREFIX}_power") == STATE_UNAVAILABLE
    assert state(hass, limit) == "10.5"
    simulator.log.clear()
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass, entry, "set_limits", current_limit=9)
    assert raised.value.translation_key == "connection_released"
    # Home Assistant would skip it without a word if the entity were unavailable.
    with pytest.raises(HomeAssistantError) as raised:
        await number("current_limit", 9, 1000).give(hass)
    assert raised.value.translation_key == "connection_released"
    await poll(hass, entry)
    assert simulator.log == []
    await asyncio.sleep(1.6)
    await poll(hass, entry)
    assert state(hass, limit) == "10.5"
    assert intent(entry) == {"current_limit": 10.5}


async def test_release_connection_is_no_error(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A pause logs one line of information, and its end another."""

    def lines() -> list[tuple[int, str]]:
        lines = [
            (record.levelno, record.message)
            for record in caplog.records
            if record.name.startswith("custom_components")
            and record.levelno > logging.DEBUG
        ]
        caplog.clear()
        return lines

    await LIMIT.give(hass)
    for _ in range(2):
        caplog.clear()
        await entry.runtime_data.coordinator.async_release_connection(0.6, force=False)
        assert state(hass, f"sensor.{PREFIX}_power") == STATE_UNAVAILABLE
        await poll(hass, entry)
        ((level, text),) = lines()
        assert level == logging.INFO
        assert "connection released" in text
        await asyncio.sleep(0.7)
        await poll(hass, entry)
        assert lines() == [(logging.INFO, "Fetching NexBlue Delta Max data recovered")]


async def test_an_outage_after_release_connection(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A charger that is not reachable after the pause is logged as an error."""
    await entry.runtime_data.coordinator.async_release_connection(0.3, force=False)
    await simulator.stop()
    await asyncio.sleep(0.4)
    caplog.clear()
    for _ in range(2):
        await poll(hass, entry)
    errors = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.levelno for record in errors] == [logging.ERROR]
    assert "Error fetching" in errors[0].message
    await simulator.start()
    await poll(hass, entry)
    assert state(hass, f"sensor.{PREFIX}_power") == "0.0"


async def test_release_connection_without_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Without control any duration is accepted, and nothing is written."""
    await SINGLE.give(hass)
    simulator.log.clear()
    await act(hass, entry, "release_connection", minutes=120)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected
    assert writes(simulator) == []
    # A reload reclaims the connection.
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert simulator.is_connected


async def test_release_connection_in_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A pause longer than the fallback timeout has to be forced."""
    await LIMIT.give(hass)
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="for up to 4 min;"):
        await act(hass, entry, "release_connection", minutes=5)
    assert simulator.is_connected
    # A write restarts the fallback timeout before the pause.
    await act(hass, entry, "release_connection", minutes=4)
    assert writes(simulator)[-1] == (0x10, 1000)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await act(hass, entry, "release_connection", minutes=5, force=True)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected


async def test_release_connection_with_the_timeout_of_another(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The fallback timeout is read from the charger."""
    await LIMIT.give(hass)
    simulator.charger.change("fallback_timeout", 60)
    simulator.cut()
    await asyncio.sleep(0.2)
    with pytest.raises(ServiceValidationError, match="for up to 40 s;"):
        await act(hass, entry, "release_connection", minutes=1)


async def test_release_connection_restores_before(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Lost settings are restored before the pause."""
    await LIMIT.give(hass)
    await STOP.give(hass)
    await simulator.power_cycle()
    await entry.runtime_data.coordinator.async_release_connection(1.0, force=False)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP


async def test_release_connection_while_a_limit_runs_out(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A pause beyond the lease is refused; forced, it writes the safe limit first."""
    await lease(entry, 16.0, 100, 7.0)
    with pytest.raises(ServiceValidationError, match=r"for up to 1 min 3\d s;"):
        await act(hass, entry, "release_connection", minutes=2)
    assert simulator.charger.settings["current_limit"] == 16
    await act(hass, entry, "release_connection", minutes=2, force=True)
    await asyncio.sleep(0.1)
    assert simulator.charger.settings["current_limit"] == 7
    assert intent(entry) == {"current_limit": 7}


async def test_release_connection_beside_a_longer_lease(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A forced pause does not end a lease that lasts longer."""
    await lease(entry, 16.0, 3600, 7.0)
    await act(hass, entry, "release_connection", minutes=10, force=True)
    assert intent(entry) == {"current_limit": 16}
    assert entry.runtime_data.controller.control.state.lease is not None


async def test_release_connection_taken_back_early(
    hass: HomeAssistant, simulator: Simulator, quick_commands: None
) -> None:
    """A shorter pause replaces a longer one, and the keep-alive continues after it."""
    entry = entry_for(simulator, scan_interval=60)
    entry.add_to_hass(hass)
    with timing(keep_alive_at_most=0.2):
        assert await hass.config_entries.async_setup(entry.entry_id)
    await LIMIT.give(hass)
    # The keep-alive fails, and tries again when the pause is over.
    await entry.runtime_data.coordinator.async_release_connection(1.0, force=True)
    await asyncio.sleep(0.5)
    await entry.runtime_data.coordinator.async_release_connection(0.1, force=True)
    simulator.log.clear()
    await asyncio.sleep(1.2)
    assert writes(simulator).count((0x10, 1000)) >= 2


async def test_release_connection_that_is_shared(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A pause that affects another charger behind the gateway has to be forced."""
    pool = async_get_domain_data(hass).pool
    endpoint = pool.acquire(simulator.host, simulator.port)
    with pytest.raises(ServiceValidationError, match="Another charger"):
        await act(hass, entry, "release_connection", minutes=1)
    await act(hass, entry, "release_connection", minutes=1, force=True)
    # Unloading the charger reclaims the connection.
    with pytest.raises(ConnectionReleased):
        await endpoint.connect()
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0.2)
    assert (await endpoint.connect()).is_open
    pool.release(endpoint)


async def test_release_connection_is_not_ended_by_another_charger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A failed set-up of another charger behind the gateway does not end it."""
    gone = MockConfigEntry(
        domain=DOMAIN, unique_id="GONE", data=entry_data(simulator, unit_id=7)
    )
    gone.add_to_hass(hass)
    await act(hass, entry, "release_connection", minutes=60)
    await asyncio.sleep(0.2)
    assert not await hass.config_entries.async_setup(gone.entry_id)
    await poll(hass, entry)
    assert not simulator.is_connected
    assert await hass.config_entries.async_unload(gone.entry_id)


async def test_release_connection_with_a_safe_limit_that_is_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A forced pause fails if the safe limit is refused, which is then retried."""
    await lease(entry, 16.0, 100, 7.0)
    limit = f"number.{PREFIX}_charging_current_limit"
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=0x10, address=1000, times=1)
    )
    with pytest.raises(HomeAssistantError, match="refused"):
        await act(hass, entry, "release_connection", minutes=2, force=True)
    assert simulator.is_connected
    assert state(hass, limit) == "7.0"
    await asyncio.sleep(0.2)
    assert simulator.charger.settings["current_limit"] == 7


async def test_release_connection_of_a_charger_that_is_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A pause in control has to be forced if the charger is not reachable."""
    await LIMIT.give(hass)
    await simulator.stop()
    await asyncio.sleep(0.2)
    with pytest.raises(HomeAssistantError, match="Could not connect"):
        await act(hass, entry, "release_connection", minutes=1)
    await act(hass, entry, "release_connection", minutes=1, force=True)


async def test_a_silent_charger_backs_off(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Each poll without an answer cuts the others off, so it is polled more rarely."""
    coordinator = entry.runtime_data.coordinator
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    await poll(hass, entry)
    assert isinstance(coordinator.last_exception, UpdateFailed)
    assert coordinator.last_exception.retry_after is None
    pool = async_get_domain_data(hass).pool
    endpoint = pool.acquire(simulator.host, simulator.port)
    for seconds in (*BACK_OFF, BACK_OFF[-1]):
        await asyncio.sleep(0.2)
        await poll(hass, entry)
        assert coordinator.last_exception.retry_after == seconds
    pool.release(endpoint)
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert coordinator.last_update_success
