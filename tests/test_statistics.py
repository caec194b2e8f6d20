"""Long-term statistics survive misreads, resets, new sessions, restarts and power cuts."""

from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import patch

from freezegun import freeze_time
from homeassistant.components.recorder import Recorder, get_instance
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util.dt import utcnow
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.nexblue_local.modbus.client import Client
from simulator import Simulator
from tests.conftest import entry_for
from tests.test_init import poll, state

LIFETIME = "sensor.nexblue_delta_max_lifetime_energy"
SESSION = "sensor.nexblue_delta_max_session_energy"
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entity_id", "wh_per_unit", "every", "reads", "shown", "added"),
    [
        pytest.param(
            LIFETIME,
            1,
            5,
            [1_000_100, 0, 1_000_200, 10**11, 10**11 - 1, 1_000_300],
            [1000.1, 1000.1, 1000.2, 1000.2, 1000.2, 1000.3],
            0.3,
            id="misreads",
        ),
        pytest.param(
            LIFETIME,
            1,
            30,
            [1_000_100, 0, 100, 200, 300],
            [1000.1, 1000.1, 1000.1, 0.2, 0.3],
            0.1 + 0.2 + 0.1,
            id="a charger that was replaced or reset",
        ),
        pytest.param(
            SESSION,
            1000,
            5,
            [0.1, 0.2, 0.0, 0.1, 0.2, 0.3],
            [0.1, 0.2, 0.2, 0.2, 0.2, 0.3],
            # The first value is where the sum begins.
            0.1 + 0.1,
            id="a new session",
        ),
    ],
)
async def test_sums(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    simulator: Simulator,
    entity_id: str,
    wh_per_unit: int,
    every: float,
    reads: list[float],
    shown: list[float],
    added: float,
) -> None:
    """The sum grows by the energy that was delivered, and by nothing else."""
    charger = simulator.charger
    charger.lifetime_energy = 1_000_000
    now = 0.0
    # The integration's clock does not stand still for freezegun.
    client = partial(Client, clock=lambda: now)
    with (
        freeze_time(START, tick=True) as time,
        patch("custom_components.nexblue_local.links.Client", client),
    ):
        assert await async_setup_component(hass, "sensor", {})
        entry = entry_for(simulator)
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        seen = []
        for read in reads:
            time.tick(every)
            now += every
            if wh_per_unit == 1:
                charger.lifetime_energy = read
            else:
                charger.session_energy = read
            await poll(hass, entry)
            seen.append(float(state(hass, entity_id)))
        assert seen == pytest.approx(shown)
        await async_wait_recording_done(hass)
        do_adhoc_statistics(hass, start=START)
        await async_wait_recording_done(hass)
        statistics = await get_instance(hass).async_add_executor_job(
            statistics_during_period,
            *(hass, START, None, {entity_id}, "5minute", None, {"sum"}),
        )
        assert statistics[entity_id][0]["sum"] == pytest.approx(added)
        assert await hass.config_entries.async_unload(entry.entry_id)


STEP = timedelta(minutes=2, seconds=30)
STEP_WH = 307
REST = 6
"""Polls in which the counters stand still."""
PERIOD = timedelta(minutes=5)
DAYS = ("nothing", "restart", "long restart", "power cut", "lower reading")
"""What happens in the middle of each day's session."""


async def test_days(
    recorder_mock: Recorder, hass: HomeAssistant, simulator: Simulator
) -> None:
    """The sums of each day are those of the charger's counters, to the Wh."""
    charger = simulator.charger
    # What it counts is decided here.
    charger.clock = lambda: charger.powered_at
    charger.lifetime_energy = begun = 1_000_003
    now = 0.0
    client = partial(Client, clock=lambda: now)
    with (
        freeze_time(START, tick=True, real_asyncio=True) as time,
        patch("custom_components.nexblue_local.links.Client", client),
    ):
        assert await async_setup_component(hass, "sensor", {})
        entry = entry_for(simulator)
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()

        async def run(polls: int, energy: int = 0) -> None:
            nonlocal now
            for _ in range(polls):
                time.tick(STEP)
                now += STEP.total_seconds()
                charger.lifetime_energy += energy
                charger.session_energy += energy / 1000
                await poll(hass, entry)

        async def happens(event: str) -> None:
            nonlocal now
            counters = charger.lifetime_energy, charger.session_energy
            if event in ("restart", "long restart"):
                assert await hass.config_entries.async_unload(entry.entry_id)
                assert state(hass, LIFETIME) == "unavailable"
                if event == "long restart":
                    time.tick(2 * STEP)
                    now += 2 * STEP.total_seconds()
                    charger.lifetime_energy += 2 * STEP_WH
                    charger.session_energy += 2 * STEP_WH / 1000
                assert await hass.config_entries.async_setup(entry.entry_id)
            elif event != "nothing":
                # After a power cut, the meter may show 0 until it is ready.
                lower = 0 if event == "power cut" else counters[0] - 700
                charger.lifetime_energy, charger.session_energy = lower, 0.0
                await run(1)
                charger.lifetime_energy, charger.session_energy = counters

        for day, event in enumerate(DAYS):
            noon = START + timedelta(days=day)
            time.tick(noon - utcnow())
            now = day * 86400.0
            charger.session_energy = 0.0
            await run(REST)
            await run(8, STEP_WH)
            await happens(event)
            await run(8, STEP_WH)
            # The car is full, with less than the sensors take as a step.
            await run(1, 37)
            await run(REST)
            await async_wait_recording_done(hass)
            for period in range(24):
                do_adhoc_statistics(hass, start=noon + period * PERIOD)
            await async_wait_recording_done(hass)
            added = (charger.lifetime_energy - begun) / 1000
            for kind in ("5minute", "hour"):
                found = await get_instance(hass).async_add_executor_job(
                    statistics_during_period,
                    *(hass, noon, None, {LIFETIME, SESSION}, kind, None, {"sum"}),
                )
                for entity_id in (LIFETIME, SESSION):
                    total = found[entity_id][-1]["sum"]
                    assert total == pytest.approx(added, abs=0.0001), (event, kind)
        assert await hass.config_entries.async_unload(entry.entry_id)
