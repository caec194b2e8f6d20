"""Commands whose answer is lost, in virtual time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.link import Busy, LinkError, Lost
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from tests.control.fakes import DEFAULTS, Fault, Rig
from tests.control.virtual_time import in_virtual_time

LIMIT: dict[str, Any] = {"current_limit": 10.5}
SINGLE: dict[str, Any] = {"phase_mode": PhaseMode.SINGLE_PHASE}
COMMANDS: list[dict[str, Any]] = [
    LIMIT,
    {"fallback_limit": 8.0},
    {"fallback_timeout": 60},
    {"start_stop": StartStop.STOP},
    SINGLE,
]
EACH = pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: next(iter(command))
)


async def rig_of(**wanted: Any) -> Rig:
    """Return a rig with a connection, and with settings that were requested."""
    rig = Rig()
    await rig.poll()
    if wanted:
        await rig.set(**wanted)
    return rig


async def fails(rig: Rig, **wanted: Any) -> str:
    """Request settings; return the key of the error."""
    with pytest.raises(CommandFailed) as raised:
        await rig.set(**wanted)
    return raised.value.key


def gone_with(rig: Rig) -> None:
    """Have the charger execute the next write, and be gone with it."""
    rig.link.faults.append(Fault.UNANSWERED)
    rig.link.connect_errors.append(LinkError("cannot_connect"))


@EACH
@in_virtual_time
async def test_the_answer_is_lost(command: dict[str, Any]) -> None:
    """What was executed is found by reading it, and is kept."""
    rig = await rig_of()
    rig.link.faults.append(Fault.UNANSWERED)
    await rig.set(**command)
    assert rig.desired == Settings(**command)
    assert len(rig.charger.writes) == 1
    assert rig.stored is not None
    assert rig.stored["desired"] == command


@EACH
@in_virtual_time
async def test_the_command_is_lost(command: dict[str, Any]) -> None:
    """What was not executed is an error, and is not written again."""
    rig = await rig_of()
    rig.link.faults.append(Fault.NEVER_SENT)
    assert await fails(rig, **command) == "not_executed"
    assert not rig.desired
    rig.link.cut()
    await rig.run_for(1000)
    assert rig.charger.writes == []
    assert rig.charger.settings == DEFAULTS


@EACH
@in_virtual_time
async def test_lost_before(command: dict[str, Any]) -> None:
    """A command to a charger that is gone fails, and is not executed later."""
    rig = await rig_of()
    rig.link.is_up = False
    assert await fails(rig, **command) == "cannot_connect"
    rig.link.is_up = True
    await rig.run_for(1000)
    assert rig.charger.writes == []
    assert not rig.desired


@EACH
@in_virtual_time
async def test_lost_with_the_command(command: dict[str, Any]) -> None:
    """If the effect cannot be read at once, that is an error; it is read later."""
    rig = await rig_of()
    gone_with(rig)
    assert await fails(rig, **command) == "perhaps_executed"
    assert not rig.desired
    assert rig.stored is None or rig.stored["desired"] == {}
    await rig.poll()
    assert rig.desired == Settings(**command)
    assert rig.charger.settings == DEFAULTS.with_value(*next(iter(Settings(**command))))
    assert rig.stored is not None
    assert rig.stored["desired"] == command
    assert rig.controller.keep_alive.is_running is (command is LIMIT)
    # It is read for that once: what is there later was not requested.
    await rig.controller.release()
    rig.link.cut()
    await rig.poll()
    assert not rig.desired


@pytest.mark.parametrize("is_lost", [True, False])
@in_virtual_time
async def test_forgotten(*, is_lost: bool) -> None:
    """A STOP that another link made void is dropped, lost or still executed."""
    rig = await rig_of()
    if is_lost:
        gone_with(rig)
        assert await fails(rig, start_stop=StartStop.STOP) == "perhaps_executed"
        await rig.controller.forget_start_stop()
    else:
        command = asyncio.create_task(rig.set(start_stop=StartStop.STOP))
        await asyncio.sleep(0)
        await rig.controller.forget_start_stop()
        assert command.done()
    rig.link.cut()
    await rig.poll()
    assert not rig.desired
    assert rig.stored is not None
    assert rig.stored["desired"] == {}
    assert len(rig.written(Setting.START_STOP)) == 1


@in_virtual_time
async def test_a_limit_held_down_is_lost_with_the_command() -> None:
    """What counts is what was written for it."""
    rig = await rig_of(**SINGLE)
    rig.link.cut()
    rig.charger.power_cycle()
    await rig.poll()
    assert rig.state.phases.is_awaited
    gone_with(rig)
    assert await fails(rig, **LIMIT) == "perhaps_executed"
    await rig.poll()
    assert rig.charger.settings.current_limit == 6.0
    assert rig.desired.current_limit == 10.5
    await rig.run_for(3700)
    assert rig.charger.settings.phase_mode is PhaseMode.SINGLE_PHASE
    assert rig.charger.settings.current_limit == 10.5


@in_virtual_time
async def test_a_lease_is_kept_with_its_limit() -> None:
    """Also if the answer to the limit was lost."""
    rig = await rig_of()
    valid_for = timedelta(minutes=10)
    lease = Lease(rig.wall() + valid_for, valid_for, 7.0)
    gone_with(rig)
    with pytest.raises(CommandFailed):
        await rig.controller.set(Settings(**LIMIT), lease)
    await rig.poll()
    assert rig.state.lease is lease
    await rig.run_for(valid_for.total_seconds() + 5)
    assert rig.charger.settings.current_limit == 7.0


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BUSY, Fault.NEVER_SENT])
@in_virtual_time
async def test_what_failed_is_not_found_out_later(fault: Fault) -> None:
    """If somebody else sets the same after that, it was not requested."""
    rig = await rig_of()
    rig.link.faults.append(fault)
    await fails(rig, **LIMIT)
    rig.charger.settings = rig.charger.settings.with_value(Setting.CURRENT_LIMIT, 10.5)
    rig.link.cut()
    await rig.poll()
    assert not rig.desired
    assert not rig.controller.keep_alive.is_running


@in_virtual_time
async def test_finding_out_that_fails_is_tried_again() -> None:
    """A charger that is gone again before it was read is read once more."""
    rig = await rig_of()
    gone_with(rig)
    await fails(rig, **LIMIT)
    # The link reads once to connect, once for the poll and then for control.
    rig.link.read_errors += [None, None, Lost("connection_cut")]
    await rig.poll()
    assert not rig.link.read_errors
    assert not rig.desired
    await rig.poll()
    assert rig.desired == Settings(**LIMIT)


@in_virtual_time
async def test_what_is_shown_late_is_found_out() -> None:
    """The first read after a lost answer may still show the old value."""
    rig = await rig_of()
    rig.charger.late.append((1e9, Setting.CURRENT_LIMIT, 16.0))
    rig.link.faults.append(Fault.UNANSWERED)
    command = asyncio.create_task(rig.set(**LIMIT))
    await asyncio.sleep(2)
    assert not command.done()
    rig.charger.late.clear()
    await command
    assert rig.desired == Settings(**LIMIT)


@pytest.mark.parametrize(
    ("command", "reads"), [(LIMIT, 1), ({"start_stop": StartStop.STOP}, 2)]
)
@in_virtual_time
async def test_a_read_back_that_is_refused(command: dict[str, Any], reads: int) -> None:
    """It says nothing of the write before it, whose effect is read again.

    Before STOP, the session is read.
    """
    rig = await rig_of()
    rig.link.read_errors += [Busy("refused")] * reads
    await rig.set(**command)
    assert rig.desired == Settings(**command)
    assert len(rig.charger.writes) == 1


@in_virtual_time
async def test_read_backs_that_are_refused() -> None:
    """A charger that cannot answer yet is read on the next connection."""
    rig = await rig_of()
    rig.link.read_errors += [Busy("refused"), Busy("refused")]
    assert await fails(rig, **LIMIT) == "perhaps_executed"
    rig.link.cut()
    await rig.poll()
    assert rig.desired == Settings(**LIMIT)


@in_virtual_time
async def test_a_switch_that_is_lost_counts_once() -> None:
    """A switch that is found later is not one of somebody else."""
    rig = await rig_of()
    gone_with(rig)
    await fails(rig, **SINGLE)
    await rig.run_for(20)
    assert rig.desired == Settings(**SINGLE)
    assert len(rig.state.phases.budget.switches) == 1


@in_virtual_time
async def test_a_limit_is_found_out_undisturbed() -> None:
    """The keep-alive does not write the old limit over the new one meanwhile."""
    rig = await rig_of(current_limit=16.0)
    await asyncio.sleep(59.9)
    rig.charger.late.append((1e9, Setting.CURRENT_LIMIT, 16.0))
    rig.link.faults.append(Fault.UNANSWERED)
    command = asyncio.create_task(rig.set(current_limit=0.0))
    await asyncio.sleep(2)
    rig.charger.late.clear()
    await command
    await rig.run_for(100)
    assert set(rig.written(Setting.CURRENT_LIMIT)[1:]) == {0.0}
    assert rig.desired == Settings(current_limit=0.0)


@pytest.mark.parametrize("sleep", [0.015, 0.5, 1.9])
@in_virtual_time
async def test_a_cancelled_command_is_found_out(sleep: float) -> None:
    """An automation that restarts in the middle leaves no limit unattended."""
    rig = await rig_of()
    rig.link.faults.append(Fault.LATE)
    command = asyncio.create_task(rig.set(**LIMIT))
    await asyncio.sleep(sleep)
    assert len(rig.charger.writes) == 1
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    assert not rig.desired
    await rig.poll()
    assert rig.desired == Settings(**LIMIT)
    assert rig.controller.keep_alive.is_running


@in_virtual_time
async def test_a_command_that_is_cancelled_before_it_is_written() -> None:
    """It is not executed later."""
    rig = await rig_of()
    rig.link.faults.append(Fault.LATE)
    slow = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.1)
    command = asyncio.create_task(rig.set(start_stop=StartStop.STOP))
    await asyncio.sleep(0.1)
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    await slow
    await rig.run_for(100)
    assert rig.desired == Settings(fallback_limit=8.0)
    assert rig.written(Setting.START_STOP) == []
