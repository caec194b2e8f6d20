"""A day that was recorded in Home Assistant, decided once more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
import json
from pathlib import Path
import re
import shutil
import sqlite3
import subprocess
import sys
from typing import Any

from freezegun import freeze_time
from freezegun.api import (
    FrozenDateTimeFactory,
    StepTickTimeFactory,
    TickingDateTimeFactory,
)
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.json import json_bytes
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from benchmarks.history import parsed, run as replay
from benchmarks.pilot import Pilot
from benchmarks.recorded import NotRecorded
from simulator import Car, SimulatedCharger, Simulator

from .conftest import SERIAL, entry_for, timing
from .site import (
    STEP,
    Clock,
    Home,
    choose,
    driven,
    limit,
    set_number,
    site_entry,
    state,
    with_fuse,
)

ROOT = Path(__file__).parent.parent
START = datetime(2026, 6, 21, 10, tzinfo=UTC)


class RecordedHome(Home):
    """A house whose wall clock is driven too."""

    wall_clock: FrozenDateTimeFactory | StepTickTimeFactory | TickingDateTimeFactory

    async def step(self) -> None:
        """Let a few seconds pass."""
        self.wall_clock.tick(STEP)
        await super().step()


@pytest.fixture
async def home(
    recorder_mock: Recorder, hass: HomeAssistant, socket_enabled: None
) -> AsyncIterator[RecordedHome]:
    """Return a house whose states are recorded, and which has a main fuse."""
    async with AsyncExitStack() as stack:
        wall_clock = stack.enter_context(
            freeze_time(START, tick=True, real_asyncio=True)
        )
        clock = Clock()
        stack.enter_context(driven(clock))
        stack.enter_context(timing(keep_alive_at_most=1.0, confirm_every=0.02))
        charger = SimulatedCharger(
            serial_number=SERIAL,
            read_back_delay=0.0,
            clock=clock,
            car=Car(phases=1),
        )
        charger.settings["fallback_timeout"] = 1800
        simulator = await stack.enter_async_context(
            Simulator(charger=charger, slot_release=0.1)
        )
        entry = entry_for(simulator)
        home = RecordedHome(
            hass=hass, clock=clock, entries=[entry], simulators=[simulator]
        )
        home.wall_clock = wall_clock
        home.site = site_entry(**with_fuse())
        entry.add_to_hass(hass)
        home.site.add_to_hass(hass)
        home.report()
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        yield home


async def copied(hass: HomeAssistant, folder: Path, database: str) -> Path:
    """Return a copy of the configuration folder, as a backup holds it."""
    await async_wait_recording_done(hass)
    path = Path(database.removeprefix("sqlite:///"))
    for file in path.parent.glob(f"{path.name}*"):
        suffix = file.name.removeprefix(path.name)
        shutil.copy(file, folder / f"home-assistant_v2.db{suffix}")
    (folder / ".storage").mkdir()
    config = {"data": {"time_zone": "UTC"}}
    (folder / ".storage" / "core.config").write_bytes(json_bytes(config))
    for registry in (hass.config_entries, dr.async_get(hass), er.async_get(hass)):
        store = registry._store
        stored = {
            "version": store.version,
            "minor_version": store.minor_version,
            "key": store.key,
            "data": registry._data_to_save(),
        }
        (folder / ".storage" / store.key).write_bytes(json_bytes(stored))
    return folder


async def history(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [sys.executable, "-m", "benchmarks.history", str(folder), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return await asyncio.to_thread(run)


DAY = ("--day", "2026-06-21", "--from", "10:00", "--to", "11:00")


REASONS = (
    "manual",
    "sun",
    "ceiling",
    "fuse",
    "pausing_soon",
    "waiting_for_sun",
    "meter_lost",
)
"""In the order in which they are decided."""


def share(line: str) -> int:
    """Return the percentage in the last line."""
    found = re.search(r"(\d+)% of the time", line)
    assert found is not None, line
    return int(found[1])


def piloted(lines: str) -> list[dict[str, Any]]:
    """Return what the pilot answers."""
    pilot = Pilot()
    return [json.loads(pilot.answer(line.encode())) for line in lines.splitlines()]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("persistent_database", [True])
async def test_a_day(
    hass: HomeAssistant, home: RecordedHome, recorder_db_url: str, tmp_path: Path
) -> None:
    """It decides as it did, gives the same reasons, and needs no more entities."""
    (entry,) = home.entries
    home.sun = 2320.0
    await home.run(40)
    await choose(hass, entry, "solar")
    await home.run(150)
    assert limit(home.simulators[0]) == pytest.approx(10.0, abs=0.5)
    await set_number(hass, entry, "current_limit", 9)
    await home.run(40)
    home.house_a = (17.0, 0.0, 0.0)
    await home.run(40)
    home.house_a = (0.0, 0.0, 0.0)
    await home.run(90)
    home.sun = 0.0
    await home.run(150)
    assert limit(home.simulators[0]) == 0.0
    home.grid = "unavailable"
    await home.run(70)
    home.grid = None
    await home.run(60)
    assert state(hass, entry, "limited_by") == "waiting_for_sun"
    await copied(hass, tmp_path, recorder_db_url)

    # The time zone may be set in YAML only, as in the demo.
    (tmp_path / ".storage" / "core.config").unlink()
    (tmp_path / "configuration.yaml").write_text("homeassistant:\n  time_zone: UTC\n")
    done = await history(tmp_path, *DAY)
    assert done.returncode == 0, done.stderr
    head, *rows, last = done.stdout.splitlines()
    assert head.split() == [
        "time",
        "decided",
        "reason",
        "phases",
        "charger",
        "limited",
        "by",
    ]
    reasons = [row[21:37].strip() for row in rows]
    found = [reasons.index(reason) for reason in REASONS]
    assert found == sorted(found)
    # On a busy machine, the charger gets a limit some seconds of this clock later.
    assert share(last) >= 95

    lines = await history(tmp_path, *DAY, "--lines")
    answers = piloted(lines.stdout)
    assert answers[0] == {"ready": True}
    assert len(answers) == len(lines.stdout.splitlines()) > 100
    assert not any("error" in answer for answer in answers)

    # With another setting it decides otherwise.
    path = tmp_path / ".storage" / "core.config_entries"
    entries = json.loads(path.read_text())
    for each in entries["data"]["entries"]:
        if "site" in each["data"]:
            each["options"] = {"export_kept": 5000}
    path.write_text(json.dumps(entries))
    # And Home Assistant was started before the first report, and in the middle.
    database = sqlite3.connect(tmp_path / "home-assistant_v2.db")
    database.execute(
        "INSERT INTO recorder_runs (start, closed_incorrect, created)"
        " VALUES ('2026-06-21 10:00:00', 0, '2026-06-21 10:00:00'),"
        " ('2026-06-21 10:05:00', 0, '2026-06-21 10:05:00')"
    )
    database.commit()
    database.close()
    other = await history(tmp_path, *DAY)
    assert not re.search(r"A  sun ", other.stdout)
    assert share(other.stdout.splitlines()[-1]) < 80
    assert "\nHome Assistant was started\n10:05:" in other.stdout
    all_day = await history(tmp_path, "--day", "2026-06-21")
    assert all_day.stdout.replace("Home Assistant was started\n", "", 1) == other.stdout
    with pytest.raises(NotRecorded, match="use --from 10:05:00"):
        await replay(parsed([str(tmp_path), *DAY, "--lines"]))
    with pytest.raises(NotRecorded, match="nothing of the grid meter was recorded"):
        await replay(parsed([str(tmp_path), *DAY[:2], "--to", "08:00"]))
    with pytest.raises(NotRecorded, match="nothing was recorded then"):
        await replay(parsed([str(tmp_path), "--day", "2026-06-22"]))
    with pytest.raises(NotRecorded, match="--charger: NexBlue Delta Max"):
        await replay(parsed([str(tmp_path), *DAY, "--charger", "another"]))


async def test_a_folder_without_a_day(tmp_path: Path) -> None:
    """What is missing is said."""
    with pytest.raises(NotRecorded, match="config_entries cannot be read"):
        await replay(parsed([str(tmp_path), *DAY]))
