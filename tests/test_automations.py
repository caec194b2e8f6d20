"""The automations of the documentation, loaded and run against a charger."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
import re
from typing import Any
from unittest.mock import patch

from freezegun import freeze_time
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import parse_yaml
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.nexblue_local.ledger import recorder
from custom_components.nexblue_local.modbus.enums import ChargerErrors
from simulator import Car, Simulator
from tests.commands import LIMIT, intent, number
from tests.test_init import poll

pytestmark = pytest.mark.usefixtures("quick_commands")

SOURCE = Path(__file__).read_text()
PAGE = (Path(__file__).parent.parent / "docs" / "automations.md").read_text()
BLOCKS: dict[str, Any] = {
    title: parse_yaml(block)
    for title, block in re.findall(
        r"## ([^\n]+)\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL
    )
}


@pytest.fixture(autouse=True)
async def _automations_end(hass: HomeAssistant) -> AsyncIterator[None]:
    """Switch automations off before Home Assistant stops."""
    yield
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def load(hass: HomeAssistant, title: str) -> None:
    """Load an automation as configuration.yaml would."""
    assert await async_setup_component(hass, "automation", BLOCKS[title])
    await hass.async_block_till_done()
    (automation,) = hass.states.async_all("automation")
    assert automation.state == "on"


async def at(hass: HomeAssistant, when: datetime) -> None:
    """Let it be a time, and wait for what happens then."""
    # Sockets and their timeouts go on as they are.
    with freeze_time(when, tick=True, real_asyncio=True):
        async_fire_time_changed(hass, when)
        await hass.async_block_till_done()


async def at_a_tenth_second(hass: HomeAssistant) -> None:
    """Let it be the next time that the seconds end in 0."""
    now = dt_util.utcnow().replace(microsecond=0)
    await at(hass, now + timedelta(seconds=10 - now.second % 10))


def today(hour: int, minute: int = 0) -> datetime:
    """Return a time of this day."""
    return dt_util.start_of_local_day() + timedelta(hours=hour, minutes=minute)


def notified(hass: HomeAssistant) -> list[ServiceCall]:
    """Return the list of the notifications to come."""
    calls: list[ServiceCall] = async_mock_service(hass, "notify", "notify")
    return calls


async def test_six(hass: HomeAssistant) -> None:
    """None is left out of these tests."""
    assert await async_setup_component(hass, "automation", {})
    assert len(BLOCKS) == 6
    assert [title for title in BLOCKS if f'"{title}"' not in SOURCE] == []


async def test_full(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A car that pauses by itself is told, after five minutes."""
    calls = notified(hass)
    await load(hass, "Notify when the car is full")
    simulator.charger.plug_in(Car(charge=60.0))
    simulator.charger._preparing_until = 0
    simulator.charger.session_energy = 12.5
    await poll(hass, entry)
    await poll(hass, entry)
    assert calls == []
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=5, seconds=1))
    await hass.async_block_till_done()
    (call,) = calls
    assert call.data["message"].startswith("The car has taken")
    assert call.data["message"].endswith("kWh.")


async def test_session(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Each session is told when it has ended."""
    calls = notified(hass)
    await load(hass, "Report each charging session")
    with (
        patch.object(recorder, "SETTLE", timedelta(0)),
        patch.object(recorder, "SETTLE_READS", 2),
    ):
        for happen in (None, None, simulator.charger.plug_in, None):
            if happen is not None:
                happen(Car())
            await poll(hass, entry)
    simulator.charger.lifetime_energy += 90
    await poll(hass, entry)
    simulator.charger.unplug()
    await poll(hass, entry)
    (call,) = calls
    assert call.data["message"] == "The car has taken 0.09 kWh in 0.0 hours."


async def test_needs_somebody(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A fault that stays, and a fallback at once."""
    calls = notified(hass)
    await load(hass, "Notify when the charger needs attention")
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    assert [call.data["message"] for call in calls] == [
        "The charger applied its fallback limit."
    ]
    simulator.charger.errors = ChargerErrors.PE_OPEN
    await poll(hass, entry)
    assert len(calls) == 1
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await hass.async_block_till_done()
    assert calls[-1].data["message"] == "The charger reports a fault."


async def test_night(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """16 A at night, 0 A by day, also for a car that comes then."""
    await load(hass, "Charge at night")
    await at(hass, today(22))
    assert intent(entry) == {"current_limit": 16, "fallback_limit": 6}
    assert simulator.charger.settings["current_limit"] == 16
    await at(hass, today(30))
    assert simulator.charger.settings["current_limit"] == 0
    await number("current_limit", 10, 1000).give(hass)
    simulator.charger.plug_in(Car())
    with freeze_time(today(32), tick=True, real_asyncio=True):
        await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 0


@pytest.mark.parametrize(
    ("house", "limit"), [("30", 9.0), ("10", 16.0), ("60", 0.0), ("unavailable", 15.0)]
)
async def test_house(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    house: str,
    limit: float,
) -> None:
    """The limit leaves room; without a meter nothing renews it."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await number("current_limit", 15, 1000).give(hass)
    hass.states.async_set("sensor.house_current", house)
    await load(hass, "Leave room for the rest of the house")
    await at_a_tenth_second(hass)
    assert simulator.charger.settings["current_limit"] == limit
    lease = entry.runtime_data.controller.control.state.lease
    if house == "unavailable":
        assert lease is None
    else:
        assert (lease.valid_for.total_seconds(), lease.safe_limit) == (120, 6)


async def test_house_without_a_car(
    hass: HomeAssistant,
    entry: MockConfigEntry,
) -> None:
    """Where there is no car, nothing is written."""
    hass.states.async_set("sensor.house_current", "30")
    await load(hass, "Leave room for the rest of the house")
    await at_a_tenth_second(hass)
    assert intent(entry) == {}


async def test_cheap(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """16 A while it is cheap, 0 A when it is dear, and no change when unknown."""
    hass.states.async_set("sensor.price", "0.30")
    await LIMIT.give(hass)
    await load(hass, "Charge while power is cheap")
    for price, limit in (
        ("0.15", 16.0),
        ("unknown", 16.0),
        ("0.25", 0.0),
        ("unavailable", 0.0),
        ("0.10", 16.0),
    ):
        hass.states.async_set("sensor.price", price)
        await hass.async_block_till_done()
        await asyncio.sleep(0.05)
        await hass.async_block_till_done()
        assert simulator.charger.settings["current_limit"] == limit
