"""Releasing control, and the connection, in virtual time."""

import asyncio
from datetime import timedelta

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed, Rejected
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.link import Refused
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
)
from tests.control.fakes import Fault, Rig
from tests.control.virtual_time import in_virtual_time

LIMIT = Settings(current_limit=10.5)


class Release:
    """Counts how often the connection was released."""

    def __init__(self) -> None:
        """Initialize the counter."""
        self.count = 0

    def __call__(self) -> None:
        """Release the connection."""
        self.count += 1


async def leased(rig: Rig, seconds: float) -> None:
    """Set a limit for some seconds, after which 7 A apply."""
    valid_for = timedelta(seconds=seconds)
    await rig.controller.set(LIMIT, Lease(rig.wall() + valid_for, valid_for, 7.0))


@in_virtual_time
async def test_release_is_stored_and_drops_everything() -> None:
    """Nothing is restored after it, and no limit is held for a lost phase mode."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    await rig.controller.set(Settings(phase_mode=PhaseMode.SINGLE_PHASE))
    rig.charger.power_cycle()
    rig.link.cut()
    await rig.poll()
    assert rig.state.phases.is_held
    await rig.controller.release()
    assert rig.stored is not None
    assert rig.stored["desired"] == {}
    assert not rig.controller.keep_alive.is_running
    rig.charger.writes.clear()
    await rig.run_for(4000)
    assert rig.charger.writes == []
    await rig.controller.set(Settings(current_limit=16.0))
    assert rig.charger.settings.current_limit == 16


@in_virtual_time
async def test_a_stopped_controller_writes_nothing() -> None:
    """A command after the charger was unloaded fails."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    await rig.controller.finish()
    rig.charger.writes.clear()
    with pytest.raises(CommandFailed) as raised:
        await rig.controller.set(Settings(current_limit=6.0))
    assert raised.value.key == "cannot_connect"
    rig.link.cut()
    await rig.run_for(400)
    assert rig.charger.writes == []


@pytest.mark.parametrize(
    ("seconds", "timeout", "most"), [(181, 300, 240), (241, 300, 240), (21, 30, 20)]
)
@in_virtual_time
async def test_the_connection_in_control(
    seconds: float, timeout: int, most: float
) -> None:
    """It is released for all but one period of the fallback timeout."""
    rig = Rig()
    await rig.controller.set(Settings(current_limit=10.5, fallback_timeout=timeout))
    release = Release()
    if seconds <= most:
        await rig.controller.prepare_silence(seconds, force=False, release=release)
        assert release.count == 1
        return
    with pytest.raises(Rejected) as raised:
        await rig.controller.prepare_silence(seconds, force=False, release=release)
    assert (raised.value.key, raised.value.seconds) == ("in_control", most)
    assert release.count == 0
    await rig.controller.prepare_silence(seconds, force=True, release=release)
    assert release.count == 1


@in_virtual_time
async def test_the_connection_while_a_limit_expires() -> None:
    """Forced, the safe limit replaces the one that would expire."""
    rig = Rig()
    await leased(rig, 60)
    release = Release()
    with pytest.raises(Rejected) as raised:
        await rig.controller.prepare_silence(100, force=False, release=release)
    assert raised.value.seconds == pytest.approx(60, abs=1)
    await rig.controller.prepare_silence(50, force=True, release=release)
    assert rig.charger.settings.current_limit == 10.5
    await rig.controller.prepare_silence(100, force=True, release=release)
    assert rig.charger.settings.current_limit == 7
    assert rig.desired.current_limit == 7
    assert release.count == 2


@pytest.mark.parametrize("force", [False, True])
@in_virtual_time
async def test_the_connection_of_a_charger_that_is_gone(force: bool) -> None:
    """It is released only if that is forced."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    rig.link.cut()
    rig.link.is_up = False
    release = Release()
    if force:
        await rig.controller.prepare_silence(10, force=True, release=release)
    else:
        with pytest.raises(CommandFailed):
            await rig.controller.prepare_silence(10, force=False, release=release)
    assert release.count == force


@in_virtual_time
async def test_the_connection_of_a_charger_that_refuses() -> None:
    """The limit that has to hold was not written: not even forced."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    rig.link.lasting_faults[Setting.CURRENT_LIMIT] = Fault.REFUSED
    release = Release()
    with pytest.raises(CommandFailed):
        await rig.controller.prepare_silence(10, force=True, release=release)
    assert release.count == 0


@in_virtual_time
async def test_a_limit_that_expired_while_home_assistant_was_stopped() -> None:
    """The first poll restores the safe limit; the keep-alive does not compete."""
    rig = Rig()
    await leased(rig, 60)
    rig.kill()
    await asyncio.sleep(100)
    rig.charger.writes.clear()
    rig.start()
    await rig.controller.start()
    await asyncio.sleep(1)
    assert rig.charger.writes == []
    await rig.poll()
    assert rig.charger.settings.current_limit == 7


@in_virtual_time
async def test_what_was_verified_is_not_verified_again() -> None:
    """A later connection does not bring an old command back."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    rig.link.faults.append(Fault.UNANSWERED)
    rig.link.connect_errors.append(Refused("refused"))
    with pytest.raises(CommandFailed) as raised:
        await rig.controller.set(Settings(fallback_limit=12.0))
    assert raised.value.key == "perhaps_executed"
    await rig.poll()
    assert rig.desired.fallback_limit == 12
    await rig.controller.set(Settings(fallback_limit=9.0))
    rig.charger.settings = rig.charger.settings.with_value(Setting.FALLBACK_LIMIT, 12.0)
    rig.link.cut()
    await rig.poll()
    assert rig.desired.fallback_limit == 9
    assert rig.charger.settings.fallback_limit == 9


@in_virtual_time
async def test_a_reconnect_retries_from_the_start() -> None:
    """What was pending for long is not left for a minute after a reconnect."""
    rig = Rig()
    await rig.controller.set(Settings(fallback_limit=9.0))
    rig.link.lasting_faults[Setting.FALLBACK_LIMIT] = Fault.BUSY
    rig.charger.power_cycle()
    rig.link.cut()
    await rig.run_for(600)
    rig.link.cut()
    await rig.poll()
    rig.link.lasting_faults.clear()
    await rig.run_for(15)
    assert rig.charger.settings.fallback_limit == 9


@in_virtual_time
async def test_a_read_back_that_is_refused_gets_a_new_connection() -> None:
    """A late answer cannot be taken for that of another request."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    before = rig.link.connection
    rig.link.read_errors.append(Refused("refused"))
    await rig.controller.set(Settings(current_limit=9.0))
    assert rig.desired.current_limit == 9
    assert rig.link.connection is not before


@in_virtual_time
async def test_a_poll_does_not_wait_for_a_connection() -> None:
    """Only a command is patient."""
    rig = Rig()
    await rig.controller.set(LIMIT)
    rig.link.cut()
    rig.link.attempts.clear()
    await rig.poll()
    assert [is_patient for _, is_patient in rig.link.attempts].count(True) == 0
