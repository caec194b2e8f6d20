"""Limits and phase modes that others than the user decide, in virtual time."""

import asyncio

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed, Rejected
from custom_components.nexblue_local.control.limits import Source
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
)
from tests.control.fakes import Fault, Rig
from tests.control.virtual_time import in_virtual_time

LIMIT = Setting.CURRENT_LIMIT
MODE = Setting.PHASE_MODE
SINGLE, THREE, ADAPTIVE = (
    PhaseMode.SINGLE_PHASE,
    PhaseMode.THREE_PHASE,
    PhaseMode.ADAPTIVE,
)


async def limited() -> Rig:
    """Return a rig with a limit of the user and one of the surplus."""
    rig = Rig()
    await rig.poll()
    await rig.set(current_limit=16.0)
    rig.controller.set_limits({Source.SURPLUS: 8.0, Source.FUSE: 12.0})
    await asyncio.sleep(1)
    assert rig.charger.settings.current_limit == 8.0
    return rig


@in_virtual_time
async def test_what_changes_nothing_writes_nothing() -> None:
    """Only the lowest limit is written, and again only by the keep-alive."""
    rig = await limited()
    rig.charger.writes.clear()
    for fuse in (11.0, 20.0, None, 9.0):
        rig.controller.set_limits({Source.SURPLUS: 8.0, Source.FUSE: fuse})
        await asyncio.sleep(1)
    rig.controller.set_limits({Source.SURPLUS: None, Source.FUSE: 8.0})
    await asyncio.sleep(50)
    assert rig.charger.writes == []
    await asyncio.sleep(60)
    assert rig.written(LIMIT) == [8.0]


@in_virtual_time
async def test_a_lower_limit_does_not_wait() -> None:
    """Neither for a command that is executed nor for a switch of the phases."""
    rig = await limited()
    rig.link.faults.append(Fault.IGNORED)
    command = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.2)
    rig.controller.set_limits({Source.FUSE: 0.0})
    await asyncio.sleep(0.05)
    assert not command.done()
    assert rig.charger.settings.current_limit == 0.0
    with pytest.raises(CommandFailed):
        await command


@in_virtual_time
async def test_a_lower_limit_during_a_command_for_less() -> None:
    """What others lower meanwhile does not replace what the user asked for."""
    rig = await limited()
    command = asyncio.create_task(rig.set(current_limit=6.0))
    # It is written, but not yet read back.
    await asyncio.sleep(0.01)
    rig.controller.set_limits({Source.SURPLUS: 7.0})
    await command
    await asyncio.sleep(1)
    assert rig.written(LIMIT)[-1] == 6.0
    assert rig.charger.settings.current_limit == 6.0


@pytest.mark.parametrize("wait", [0.0, 0.005, 0.015])
@in_virtual_time
async def test_a_higher_limit_while_another_one_is_written(wait: float) -> None:
    """It is written next, and not only by the keep-alive a minute later."""
    rig = await limited()
    for limit in (0.0, 7.0):
        rig.controller.set_limits({Source.SURPLUS: limit})
        await asyncio.sleep(wait)
    await asyncio.sleep(1)
    assert rig.charger.settings.current_limit == 7.0
    command = asyncio.create_task(rig.set(current_limit=13.0))
    await asyncio.sleep(wait)
    rig.controller.set_limits({Source.SURPLUS: 9.0})
    await command
    await asyncio.sleep(1)
    assert rig.charger.settings.current_limit == 9.0


@in_virtual_time
async def test_a_limit_that_was_found() -> None:
    """It becomes the user's without a write of its own."""
    rig = Rig()
    await rig.poll()
    rig.controller.set_limits({Source.SURPLUS: 7.0})
    await rig.controller.adopt_limit(13.0)
    await asyncio.sleep(1)
    assert rig.written(LIMIT) == [7.0]
    assert rig.stored is not None
    assert rig.stored["desired"] == {"current_limit": 13.0}


async def switched(requested: PhaseMode | None) -> Rig:
    """Return a rig whose phases were switched to one for the surplus."""
    rig = Rig()
    await rig.poll()
    await rig.set(current_limit=16.0)
    if requested is not None:
        await rig.set(phase_mode=requested)
    rig.controller.delegate_phases(is_delegated=True)
    await rig.controller.choose_phases(SINGLE)
    assert rig.charger.settings.phase_mode is SINGLE
    return rig


@in_virtual_time
async def test_chosen_phases_are_not_wanted() -> None:
    """Only the user pins the phases; what others choose shows as adaptive."""
    rig = await switched(None)
    assert rig.controller.wanted.phase_mode is ADAPTIVE
    assert rig.controller.wanted.current_limit == 16.0
    rig.controller.delegate_phases(is_delegated=False)
    assert rig.controller.wanted.phase_mode is SINGLE
    rig.controller.delegate_phases(is_delegated=True)
    await rig.set(phase_mode=SINGLE)
    assert rig.controller.wanted.phase_mode is SINGLE


@pytest.mark.parametrize("requested", [None, ADAPTIVE])
@in_virtual_time
async def test_chosen_phases(requested: PhaseMode | None) -> None:
    """They are nothing that is restored, until the phases are the user's again."""
    rig = await switched(requested)
    assert rig.desired.phase_mode is requested
    rig.link.cut()
    await rig.run_for(700)
    assert rig.charger.settings == Settings(
        current_limit=16.0,
        fallback_limit=6.0,
        fallback_timeout=300,
        phase_mode=SINGLE,
        start_stop=rig.charger.settings.start_stop,
    )
    rig.controller.delegate_phases(is_delegated=False)
    await rig.run_for(10)
    assert rig.charger.settings.phase_mode is ADAPTIVE
    assert rig.charger.settings.current_limit == 16.0
    assert rig.written(MODE)[-2:] == [SINGLE, ADAPTIVE]
    assert rig.stored is not None
    assert rig.stored["phase_mode_found"] is None
    assert len(rig.stored["budget"]["switches"]) == 2


@pytest.mark.parametrize("requested", [None, ADAPTIVE])
@in_virtual_time
async def test_return_within_the_budget(requested: PhaseMode | None) -> None:
    """The user's phases wait for the budget, at the full current, and for a restart."""
    rig = await switched(requested)
    rig.controller.delegate_phases(is_delegated=False)
    await rig.run_for(300)
    assert rig.charger.settings.phase_mode is SINGLE
    assert rig.state.limits.effective == 16.0
    rig.kill()
    rig.start()
    await rig.controller.start()
    await rig.run_for(400)
    assert rig.charger.settings.phase_mode is ADAPTIVE
    assert rig.state.limits.effective == 16.0


@in_virtual_time
async def test_phases_that_may_not_be_chosen() -> None:
    """The user's choice and the budget hold."""
    rig = await switched(None)
    with pytest.raises(Rejected):
        await rig.controller.choose_phases(THREE)
    await rig.run_for(700)
    await rig.set(phase_mode=THREE)
    await rig.run_for(3600)
    await rig.controller.choose_phases(SINGLE)
    assert rig.charger.settings.phase_mode is THREE
    rig.controller.delegate_phases(is_delegated=False)
    await rig.run_for(10)
    assert rig.written(MODE) == [SINGLE, THREE]


@in_virtual_time
async def test_a_refused_switch() -> None:
    """It is an error, and counts nothing."""
    rig = Rig()
    await rig.poll()
    rig.controller.delegate_phases(is_delegated=True)
    rig.link.faults.append(Fault.REFUSED)
    with pytest.raises(CommandFailed):
        await rig.controller.choose_phases(SINGLE)
    assert rig.controller.phase_switches_left == 2


@in_virtual_time
async def test_release_ends_all_of_it() -> None:
    """No limit and no phase mode is left to write."""
    rig = await switched(None)
    rig.controller.set_limits({Source.SURPLUS: 8.0, Source.FUSE: 9.0})
    await rig.controller.release()
    rig.charger.writes.clear()
    await rig.run_for(4000)
    assert rig.charger.writes == []
