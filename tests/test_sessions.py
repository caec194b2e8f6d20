"""Charging sessions in Home Assistant, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
import csv
from datetime import UTC, datetime, timedelta
from functools import partial
import io
from pathlib import Path
import random
import re
from typing import Any
from unittest.mock import patch

from freezegun import freeze_time
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.storage import Store
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)

from custom_components.nexblue_local import domain_data, sessions
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.nexblue_local.domain_data import async_get_domain_data
from custom_components.nexblue_local.ledger.session import Session
from custom_components.nexblue_local.modbus.client import Client
from simulator import Car, SimulatedCharger, Simulator
from tests.conftest import SERIAL, entry_for
from tests.site import Clock, Home, driven, entity_id, site_entry, state
from tests.test_init import poll
from tests.test_services import key_of
from tests.test_triggers import automate, triggered

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
STORE = f"{DOMAIN}.sessions"


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Return the clock of the charger, of its reads and of the sessions."""
    clock = Clock()
    with (
        patch(
            "custom_components.nexblue_local.links.Client", partial(Client, clock=clock)
        ),
        patch.object(
            sessions, "utcnow", lambda: START + timedelta(seconds=clock.t - 10_000)
        ),
    ):
        yield clock


@pytest.fixture
async def simulator(socket_enabled: None, clock: Clock) -> AsyncIterator[Simulator]:
    """Return a charger whose time is driven."""
    charger = SimulatedCharger(serial_number=SERIAL, read_back_delay=0.0, clock=clock)
    async with Simulator(charger=charger, slot_release=0.1) as simulator:
        yield simulator


@pytest.fixture
async def entry(hass: HomeAssistant, simulator: Simulator) -> MockConfigEntry:
    """Return the entry of the charger, set up."""
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


class Polls:
    """Polls of a charger, and what happens to it between them."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        simulator: Simulator,
        clock: Clock,
    ) -> None:
        """Initialize."""
        self.hass, self.entry, self.clock = hass, entry, clock
        self.charger = simulator.charger

    async def run(self, seconds: float, every: float = 20.0) -> None:
        """Poll the charger for a time."""
        for _ in range(round(seconds / every)):
            self.clock.t += every
            await self.entry.runtime_data.coordinator.async_refresh()

    async def session(self, hours: float) -> None:
        """Charge a car, and unplug it."""
        self.charger.plug_in(Car(battery=1000))
        await self.run(60)
        await self.run(3600 * hours, every=60)
        self.charger.unplug()
        await self.run(60)

    async def restart(self, storage: dict[str, Any], away: float = 0.0) -> None:
        """Start Home Assistant again after it was killed, with what was stored."""
        await self.hass.config_entries.async_unload(self.entry.entry_id)
        stored = storage.get(STORE)
        self.hass.data.pop(domain_data._DATA)
        self.clock.t += away
        if stored is not None:
            storage[STORE] = stored
        await async_get_domain_data(self.hass).sessions.async_load()
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)

    @property
    def ledger(self) -> list[Session]:
        """Return the sessions that are kept."""
        return async_get_domain_data(self.hass).sessions.ledger.sessions()


@pytest.fixture
async def polls(
    hass: HomeAssistant, entry: MockConfigEntry, simulator: Simulator, clock: Clock
) -> Polls:
    """Return the polls of a charger that is known."""
    polls = Polls(hass, entry, simulator, clock)
    await polls.run(60)
    return polls


async def store(hass: HomeAssistant) -> None:
    """Store the sessions, as when Home Assistant stops."""
    async_get_domain_data(hass).sessions.async_stop()
    await asyncio.sleep(0.05)


async def get_sessions(hass: HomeAssistant, **data: Any) -> Any:
    """Call the action."""
    data.setdefault("entity_id", "sensor.nexblue_delta_max_status")
    return await hass.services.async_call(
        DOMAIN, "get_sessions", data, blocking=True, return_response=True
    )


async def test_a_session(
    hass: HomeAssistant, entry: MockConfigEntry, polls: Polls
) -> None:
    """Its sensors, its event, its trigger and the action say the same."""
    sensors = ("last_session_energy", "last_session_duration")
    assert [state(hass, entry, key) for key in sensors] == ["unknown"] * 2
    before = int(polls.charger.lifetime_energy)
    device = er.async_get(hass).async_get(entity_id(hass, entry, "session"))
    assert device is not None
    assert device.device_id is not None
    calls = await automate(hass, device.device_id, "session_ended")
    await polls.session(1.0)
    await hass.async_block_till_done()
    assert triggered(calls) == ["session_ended"]
    wh = int(polls.charger.lifetime_energy) - before
    assert wh > 10_000
    [charger] = (await get_sessions(hass))["chargers"]
    [session] = charger["sessions"]
    assert charger["name"] == "NexBlue Delta Max"
    assert session["energy"] == wh / 1000
    assert session["duration"] == pytest.approx(61, abs=1)
    assert session["end_reason"] == "unplugged"
    assert session["solar_energy"] is None
    assert not session["is_reconstructed"]
    assert datetime.fromisoformat(session["start"]) - START < timedelta(minutes=2)
    assert float(state(hass, entry, "last_session_energy")) == session["energy"]
    duration = float(state(hass, entry, "last_session_duration"))
    assert duration * 60 == pytest.approx(session["duration"], abs=0.1)
    # Templates show the state as it is.
    assert duration == round(duration, 3)
    event = hass.states.get(entity_id(hass, entry, "session"))
    assert event is not None
    assert event.attributes["event_type"] == "ended"
    assert {key: event.attributes[key] for key in session} == session


async def test_action(hass: HomeAssistant, polls: Polls) -> None:
    """Sessions are chosen by when they began, and are there as CSV."""
    await polls.session(0.1)
    polls.clock.t += 86_400
    await polls.run(60)
    await polls.session(0.1)
    first, second = (await get_sessions(hass))["chargers"][0]["sessions"]
    border = "2026-06-02 12:00:00+00:00"
    for data, expected in (({"start": border}, second), ({"end": border}, first)):
        response = await get_sessions(hass, **data)
        assert response["chargers"][0]["sessions"] == [expected]
    text = (await get_sessions(hass, format="csv"))["csv"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["start"] for row in rows] == [first["start"], second["start"]]
    assert rows[0]["charger"] == "NexBlue Delta Max"
    assert float(rows[1]["energy"]) == second["energy"]
    assert rows[0]["tag"] == ""


async def test_script_of_the_docs(hass: HomeAssistant, polls: Polls) -> None:
    """The script in docs/sessions.md gives the sessions of the last month to a file."""
    await polls.session(0.1)
    polls.clock.t += 40 * 86_400
    await polls.run(60)
    await polls.session(0.1)
    _, last = (await get_sessions(hass))["chargers"][0]["sessions"]
    page = (Path(__file__).parent.parent / "docs" / "sessions.md").read_text()
    found = re.search(r"```yaml\n(script:.*?)```", page, re.DOTALL)
    assert found is not None
    config = parse_yaml(found[1])
    assert isinstance(config, dict)
    assert await async_setup_component(hass, "script", config)
    sent = async_mock_service(hass, "notify", "send_message")
    with freeze_time(datetime.fromisoformat(last["end"]), tick=True):
        await hass.services.async_call("script", "export_sessions", blocking=True)
    assert sent[0].data["entity_id"] == ["notify.sessions"]
    [row] = csv.DictReader(io.StringIO(sent[0].data["message"]))
    assert row["start"] == last["start"]
    assert float(row["energy"]) == last["energy"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"start": "yesterday"}, "not_a_time"),
        ({"end": 5}, "not_a_time"),
        ({"end": "9999-12-31 23:59:59"}, "not_a_time"),
        ({"format": "xml"}, "unknown_format"),
    ],
)
async def test_errors(
    hass: HomeAssistant, polls: Polls, data: dict[str, Any], error: str
) -> None:
    """What cannot be understood is an error in the language of the user."""
    with pytest.raises(ServiceValidationError) as caught:
        await get_sessions(hass, **data)
    assert key_of(caught.value) == error


async def test_a_week(
    hass: HomeAssistant, polls: Polls, hass_storage: dict[str, Any]
) -> None:
    """With restarts and power cuts, the sessions have all that was counted."""
    chance = random.Random(7)  # noqa: S311 (no secret)
    await store(hass)
    before = int(polls.charger.lifetime_energy)
    for _ in range(7):
        for _ in range(2):
            polls.clock.t += chance.uniform(600, 7200)
            if chance.random() < 0.7:
                await polls.run(60)
            polls.charger.plug_in(Car(battery=1000))
            if chance.random() < 0.7:
                await polls.run(60)
            for _ in range(2):
                polls.clock.t += chance.uniform(60, 3600)
                match chance.choice(("poll", "kill", "power cut", "nothing")):
                    case "poll":
                        await polls.run(120)
                    case "kill":
                        await polls.restart(hass_storage, chance.uniform(1, 3600))
                    case "power cut":
                        polls.charger.advance()
                        polls.charger.power_on()
            if chance.random() < 0.7:
                await polls.run(60)
            polls.charger.unplug()
            if chance.random() < 0.7:
                await polls.run(60)
    await polls.run(120)
    sessions = polls.ledger
    assert len(sessions) >= 12
    assert any(session.is_reconstructed for session in sessions)
    assert not all(session.is_reconstructed for session in sessions)
    counted = int(polls.charger.lifetime_energy) - before
    assert sum(session.energy_wh for session in sessions) == counted
    assert counted > 100_000


async def test_stored(
    hass: HomeAssistant, polls: Polls, hass_storage: dict[str, Any]
) -> None:
    """The end of a session is stored at once, and what runs within a minute."""
    await store(hass)
    with patch.object(sessions, "SAVE_AFTER", 0.0):
        polls.charger.plug_in(Car())
        await polls.run(60)
        await asyncio.sleep(0.05)
    [stored] = hass_storage[STORE]["data"]["sessions"]
    assert stored["end"] is None
    with patch.object(Store, "async_delay_save", autospec=True) as delayed:
        await polls.run(300)
    assert delayed.call_count == 1
    assert delayed.call_args.args[2] == 60.0
    polls.charger.unplug()
    await polls.run(30)
    [stored] = hass_storage[STORE]["data"]["sessions"]
    assert stored["end"] is not None
    assert stored["energy_wh"] == polls.ledger[0].energy_wh


async def test_stored_while_idle(
    hass: HomeAssistant, polls: Polls, hass_storage: dict[str, Any]
) -> None:
    """The time of the last read is stored each hour, also if nothing changes."""
    await store(hass)

    def stored() -> datetime:
        return datetime.fromisoformat(
            hass_storage[STORE]["data"]["counters"][SERIAL]["at"]
        )

    before = stored()
    with patch.object(sessions, "SAVE_AFTER", 0.0):
        for hours, is_stored in ((0.8, False), (0.2, True)):
            polls.clock.t += 3600 * hours
            await polls.run(60)
            await asyncio.sleep(0.05)
            assert (stored() > before) is is_stored
    assert not polls.ledger


async def test_damaged(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    """What is damaged is left out."""
    whole = {"charger_id": "A", "start": "2026-06-01T12:00:00Z", "end": None}
    hass_storage[STORE] = {
        "version": 1,
        "minor_version": 1,
        "key": STORE,
        "data": {
            "sessions": [whole, whole | {"energy_wh": 5.0}],
            "counters": {"A": {"at": 5}},
        },
    }
    loaded = async_get_domain_data(hass).sessions
    await loaded.async_load()
    assert len(loaded.ledger) == loaded.ledger.damaged == 1
    assert loaded.recorder("A").counters is None


async def test_removed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    polls: Polls,
    hass_storage: dict[str, Any],
) -> None:
    """The sessions of a charger that is removed are kept; what ran has ended."""
    polls.charger.plug_in(Car())
    await polls.run(600)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["sessions"] == {
        "count": 1,
        "reconstructed": 0,
        "is_open": True,
        "count_of_all_chargers": 1,
        "damaged": 0,
    }
    assert await hass.config_entries.async_remove(entry.entry_id)
    [session] = polls.ledger
    assert session.end is not None
    assert session.energy_wh > 0
    data = hass_storage[STORE]["data"]
    assert len(data["sessions"]) == 1
    assert data["counters"] == {}


@asynccontextmanager
async def house(hass: HomeAssistant, **answers: Any) -> AsyncIterator[Home]:
    """Build a house with a charger."""
    clock = Clock()
    charger = SimulatedCharger(
        serial_number=SERIAL, read_back_delay=0.0, clock=clock, car=Car(phases=1)
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(driven(clock))
        simulator = await stack.enter_async_context(
            Simulator(charger=charger, slot_release=0.1)
        )
        entry = entry_for(simulator)
        home = Home(hass=hass, clock=clock, entries=[entry], simulators=[simulator])
        home.others["sensor.price"] = (250, "EUR/MWh")
        home.report()
        home.site = site_entry(**answers)
        for each in (home.site, entry):
            each.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        yield home


@pytest.mark.usefixtures("socket_enabled")
async def test_sources_and_cost(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    """Only what came from the grid costs something; a restart forgets neither."""
    async with house(hass, price={"electricity_price": "sensor.price"}) as home:
        (simulator,), (entry,) = home.simulators, home.entries
        await home.run(60)
        # The last price applies until there is another one.
        home.others["sensor.price"] = ("unavailable", "EUR/MWh")
        home.sun = 1200.0
        await home.run(300)
        energy = 1000 * float(state(hass, entry, "session_solar_energy"))
        assert energy == pytest.approx(1200 / 12, rel=0.1)
        share = state(hass, entry, "session_solar_share")
        simulator.charger.unplug()
        await home.run(20)
        [session] = async_get_domain_data(hass).sessions.ledger.sessions()
        assert session.solar_wh is not None
        assert session.grid_wh is not None
        assert session.solar_wh + session.grid_wh <= session.energy_wh + 1e-6
        assert session.cost == pytest.approx(session.grid_wh * 0.25 / 1000)
        assert state(hass, entry, "last_session_solar_share") == share
        cost = hass.states.get(entity_id(hass, entry, "last_session_cost"))
        assert cost is not None
        assert float(cost.state) == pytest.approx(session.cost, abs=0.01)
        assert cost.attributes["unit_of_measurement"] == "EUR"
        assert cost.attributes["device_class"] == "monetary"
        assert [hass_storage[STORE]["data"]["sessions"][0]["cost"]] == [session.cost]
        # Without a price, there is nothing to show.
        hass.config_entries.async_update_entry(
            home.site, data={"site": {"grid_power": "sensor.grid"}}
        )
        await hass.config_entries.async_reload(home.site.entry_id)
        await hass.async_block_till_done()
        assert not er.async_get(hass).async_get(cost.entity_id)
        await poll(hass, entry)


@pytest.mark.usefixtures("socket_enabled")
async def test_reload(hass: HomeAssistant) -> None:
    """A session goes on when its charger or the site is reloaded."""
    async with house(hass) as home:
        [entry] = home.entries

        def shown() -> list[float]:
            keys = ("session_solar_energy", "session_solar_share")
            return [float(state(hass, entry, key)) for key in keys]

        await home.run(60)
        home.sun = 1200.0
        await home.run(200)
        for reloaded in (entry, home.site):
            before = shown()
            assert min(before) > 0
            assert await hass.config_entries.async_reload(reloaded.entry_id)
            await hass.async_block_till_done()
            await poll(hass, entry)
            assert shown() == pytest.approx(before)
            await home.run(200)
        energy, share = shown()
        assert energy == pytest.approx(1.2 / 6, rel=0.1)
        [charger] = (await get_sessions(hass))["chargers"]
        [session] = charger["sessions"]
        assert session["end"] is None
        assert session["solar_share"] == share
        # The sensor rounds down.
        assert 0 <= session["solar_energy"] - energy < 0.01
        known = session["solar_energy"] + session["grid_energy"]
        assert known == pytest.approx(session["energy"], rel=0.05)
