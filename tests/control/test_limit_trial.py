"""The current limit is stepped down and back, on request."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.limit_trial import LimitTrial, Obstacle
from custom_components.nexblue_local.control.settings import Setting, Settings
from tests.control.fakes import Fault, Rig, now
from tests.control.virtual_time import in_virtual_time


async def in_control(limit: float = 16.0, **timing: Any) -> Rig:
    """Return a charger with a current limit, and nothing written since."""
    rig = Rig(**timing)
    await rig.set(current_limit=limit)
    rig.charger.writes.clear()
    return rig


async def trial_of(rig: Rig) -> LimitTrial:
    """Return the trial, of which nothing stays behind."""
    stored, desired = rig.stored, rig.desired
    trial = await rig.controller.try_limits()
    assert isinstance(trial, LimitTrial)
    assert (rig.stored, rig.desired) == (stored, desired)
    return trial


@pytest.mark.parametrize(
    ("step", "rounds_up", "found"),
    [
        (0.0, False, [15.7, 15.4, 15.0]),
        (0.5, False, [15.5, 15.0, 15.0]),
        (0.5, True, [16.0, 15.5, 15.0]),
        (1.0, False, [15.0, 15.0, 15.0]),
        (1.0, True, [16.0, 16.0, 15.0]),
    ],
)
@in_virtual_time
async def test_steps(step: float, rounds_up: bool, found: list[float]) -> None:
    """The charger never gets more than the limit, and has it again after that."""
    rig = await in_control()
    rig.charger.step, rig.charger.rounds_up = step, rounds_up
    started = now()
    trial = await trial_of(rig)
    # Only what reads as before is waited for.
    assert now() - started < (11 if rounds_up else 6)
    assert trial.is_complete
    assert [read.found for read in trial.steps] == found
    assert rig.written(Setting.CURRENT_LIMIT) == [15.7, 15.4, 15.0, 16.0]
    assert rig.charger.settings.current_limit == 16
    assert trial.restored is not None
    assert trial.restored.found == 16
    await rig.run_for(600)
    assert not rig.charger.is_fallback_active
    assert set(rig.written(Setting.CURRENT_LIMIT)[4:]) == {16.0}


@in_virtual_time
async def test_a_late_read_back() -> None:
    """The time is measured that a value takes to be read."""
    rig = await in_control()
    rig.link.lasting_faults[Setting.CURRENT_LIMIT] = Fault.LATE
    trial = await trial_of(rig)
    assert [read.found for read in trial.steps] == [15.7, 15.4, 15.0]
    seconds = [read.seconds for read in trial.steps]
    assert all(each is not None and 2 <= each < 3 for each in seconds)


@in_virtual_time
async def test_obstacles() -> None:
    """Nothing is written where the limit could not be left as it was."""
    rig = Rig()
    await rig.poll()
    assert await rig.controller.try_limits() is Obstacle.NOT_IN_CONTROL
    await rig.set(current_limit=6.9)
    rig.charger.writes.clear()
    assert await rig.controller.try_limits() is Obstacle.TOO_LOW
    assert rig.charger.writes == []
    valid_for = timedelta(hours=1)
    lease = Lease(until=rig.wall() + valid_for, valid_for=valid_for, safe_limit=6.0)
    await rig.controller.set(Settings(current_limit=16.0), lease)
    rig.charger.writes.clear()
    assert await rig.controller.try_limits() is Obstacle.TIME_LIMIT
    assert rig.charger.writes == []


@pytest.mark.parametrize("setting", [Setting.CURRENT_LIMIT, Setting.FALLBACK_LIMIT])
@in_virtual_time
async def test_a_command_comes_first(setting: Setting) -> None:
    """A command ends the trial, whose limits are not written after that."""
    rig = await in_control()
    # The second step is waited for, because it reads as the first one.
    rig.charger.step = 1.0
    trial = asyncio.create_task(rig.controller.try_limits())
    await asyncio.sleep(1)
    started = now()
    wanted = Settings().with_value(setting, 8.0)
    await rig.controller.set(wanted)
    assert now() - started < 1
    result = await trial
    assert isinstance(result, LimitTrial)
    assert not result.is_complete
    assert result.failure is None
    expected = wanted.over(Settings(current_limit=16.0))
    assert rig.charger.settings.current_limit == expected.current_limit
    assert rig.desired == expected


@in_virtual_time
async def test_another_limit_comes_first() -> None:
    """Another source that lowers the limit ends the trial."""
    rig = await in_control()
    rig.charger.step = 1.0
    trial = asyncio.create_task(rig.controller.try_limits())
    await asyncio.sleep(1)
    rig.controller.set_limits({"fuse": 9.0})
    await asyncio.sleep(1)
    assert trial.done()
    assert rig.charger.settings.current_limit == 9


@in_virtual_time
async def test_a_refused_step() -> None:
    """It is what the trial found, and the limit stays."""
    rig = await in_control()
    rig.link.faults.append(Fault.REFUSED)
    trial = await trial_of(rig)
    assert trial.steps == ()
    assert trial.failure is not None
    assert trial.failure.key == "refused"
    assert rig.written(Setting.CURRENT_LIMIT) == [16.0]


@pytest.mark.parametrize("is_cancelled", [False, True])
@in_virtual_time
async def test_what_ends_in_the_middle(is_cancelled: bool) -> None:
    """Cancelled or without its connection, the trial leaves the limit behind."""
    rig = await in_control()
    rig.charger.step = 1.0
    trial = asyncio.create_task(rig.controller.try_limits())
    await asyncio.sleep(1)
    assert rig.charger.settings.current_limit == 15
    if is_cancelled:
        trial.cancel()
    else:
        rig.link.cut()
    await asyncio.wait([trial])
    await asyncio.sleep(1)
    assert rig.charger.settings.current_limit == 16
    assert rig.controller.keep_alive.is_running
    if not is_cancelled:
        result = trial.result()
        assert isinstance(result, LimitTrial)
        assert result.restored is None


@in_virtual_time
async def test_unloading_in_the_middle() -> None:
    """The limit is written again before the charger is left."""
    rig = await in_control()
    rig.charger.step = 1.0
    trial = asyncio.create_task(rig.controller.try_limits())
    await asyncio.sleep(1)
    started = now()
    await rig.controller.finish()
    assert now() - started < 1.5
    assert rig.charger.settings.current_limit == 16
    assert trial.done()
