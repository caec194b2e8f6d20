"""The current limit is written again and again, in virtual time."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.limits import Source
from custom_components.nexblue_local.control.link import LinkError
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from tests.control.fakes import Fault, Rig, now
from tests.control.virtual_time import in_virtual_time

LIMIT = Setting.CURRENT_LIMIT
OTHERS: dict[str, Any] = {
    "fallback_limit": 8.0,
    "fallback_timeout": 60,
    "phase_mode": PhaseMode.SINGLE_PHASE,
    "start_stop": StartStop.STOP,
}


async def in_control(**timing: Any) -> Rig:
    """Return a rig with a current limit, which nobody polls."""
    rig = Rig(**timing)
    await rig.poll()
    await rig.set(current_limit=10.5)
    return rig


def gaps(rig: Rig) -> list[float]:
    """Return the times between two writes of the current limit."""
    return [round(after - before, 3) for before, after in pairwise(rig.written_at())]


@pytest.mark.parametrize(
    ("timeout", "period"), [(30, 10), (60, 20), (180, 60), (300, 60), (1800, 60)]
)
@in_virtual_time
async def test_keep_alive(timeout: int, period: float) -> None:
    """The current limit is written again and again, however rare the polls are."""
    rig = Rig()
    await rig.set(fallback_timeout=timeout)
    await rig.set(current_limit=10.5)
    await asyncio.sleep(9.5 * period)
    assert gaps(rig) == [period] * 9
    first, *others = rig.charger.writes
    assert first[1] is Setting.FALLBACK_TIMEOUT
    assert {(setting, value) for _, setting, value in others} == {(LIMIT, 10.5)}


@pytest.mark.parametrize("timeout", [30, 60, 300, 1800])
@in_virtual_time
async def test_a_quiet_night(timeout: int) -> None:
    """While everything is up the fallback never engages, whatever the timeout."""
    rig = Rig()
    await rig.set(fallback_timeout=timeout, current_limit=10.5)
    for _ in range(1000):
        await rig.run_for(7.0, every=7.0)
        assert not rig.charger.is_fallback_active
    assert rig.charger.settings.current_limit == 10.5
    assert rig.notifier.events == []


@in_virtual_time
async def test_keep_alive_is_not_put_off_by_polls() -> None:
    """Reads do not count, neither for the charger nor for control."""
    rig = await in_control()
    await rig.run_for(200, every=1.0)
    assert gaps(rig) == [60, 60, 60]


@in_virtual_time
async def test_keep_alive_counts_from_before_the_write() -> None:
    """The charger may have counted from when it was sent."""
    rig = Rig()
    rig.link.latency = 2.0
    await rig.set(current_limit=10.5)
    await asyncio.sleep(130)
    assert gaps(rig) == [60, 60]


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.REFUSED, Fault.NEVER_SENT])
@in_virtual_time
async def test_a_keep_alive_that_failed_does_not_count(fault: Fault) -> None:
    """It is tried again soon, until it is done."""
    rig = await in_control()
    rig.link.faults += [fault, fault]
    await asyncio.sleep(100)
    (gap,) = gaps(rig)
    assert gap == pytest.approx(60 + 2 * 5, abs=0.1)


@in_virtual_time
async def test_keep_alive_restores_the_rest() -> None:
    """On a new connection it is not the limit alone that has to be written."""
    rig = await in_control()
    await rig.set(start_stop=StartStop.STOP)
    rig.link.cut()
    rig.charger.power_cycle()
    await asyncio.sleep(61)
    assert rig.charger.settings.start_stop is StartStop.STOP
    assert rig.charger.settings.current_limit == 10.5


@in_virtual_time
async def test_keep_alive_tries_again_soon() -> None:
    """After a failure it does not wait for a whole period."""
    rig = await in_control()
    rig.link.is_up = False
    rig.link.cut()
    await asyncio.sleep(62)
    assert len(rig.written_at()) == 1
    rig.link.is_up = True
    back = now()
    await asyncio.sleep(5.1)
    (_, again) = rig.written_at()
    assert again > back


@in_virtual_time
async def test_keep_alive_with_a_short_period_tries_again_sooner() -> None:
    """It never waits for longer than a period."""
    rig = await in_control(keep_alive_at_most=2.0)
    rig.link.is_up = False
    rig.link.cut()
    await asyncio.sleep(20)
    rig.link.is_up = True
    await asyncio.sleep(2.1)
    assert len(rig.written_at()) == 2


@in_virtual_time
async def test_keep_alive_that_ended_begins_anew() -> None:
    """Whatever ended it, the next poll starts it again."""
    rig = await in_control()
    (task,) = rig.tasks
    task.cancel()
    await asyncio.wait([task])
    await rig.poll()
    assert rig.controller.keep_alive.is_running
    await asyncio.sleep(61)
    assert len(rig.written_at()) == 2


@in_virtual_time
async def test_keep_alive_reconnects() -> None:
    """It does not wait for a poll to notice that the connection is gone."""
    rig = await in_control()
    rig.link.cut()
    await asyncio.sleep(70)
    (gap,) = gaps(rig)
    assert gap == pytest.approx(60, abs=0.1)


@in_virtual_time
async def test_keep_alive_goes_on_after_an_outage() -> None:
    """A charger that is gone is tried again and again, however rare the polls are."""
    rig = await in_control()
    rig.link.is_up = False
    rig.link.cut()
    await asyncio.sleep(8 * 3600)
    assert len(rig.written_at()) == 1
    rig.link.is_up = True
    await asyncio.sleep(5.1)
    assert not rig.charger.is_fallback_active
    assert rig.controller.keep_alive.is_running


@in_virtual_time
async def test_keep_alive_notices_another_timeout() -> None:
    """A timeout that somebody else lowered counts from the poll that reads it."""
    rig = await in_control()
    await asyncio.sleep(2)
    rig.charger.settings = rig.charger.settings.with_value(Setting.FALLBACK_TIMEOUT, 30)
    await rig.poll()
    await asyncio.sleep(30)
    first, *others = gaps(rig)
    assert first <= 10
    assert others == [10, 10]


@in_virtual_time
async def test_keep_alive_survives_what_nobody_expects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault in the code does not end it, and is logged."""
    rig = await in_control()
    with patch.object(rig.link, "connect", side_effect=KeyError):
        await asyncio.sleep(61)
    assert "keep-alive failed" in caplog.text
    assert "KeyError" in caplog.text
    assert len(rig.written_at()) == 1
    await asyncio.sleep(5)
    assert len(rig.written_at()) == 2


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        pytest.param(None, 5, id="gone"),
        pytest.param(10.0, 10, id="another client"),
        pytest.param(2.0, 2, id="released for 2 s"),
        pytest.param(3600.0, 10, id="released for an hour"),
    ],
)
@in_virtual_time
async def test_keep_alive_leaves_another_client_alone(
    retry_after: float | None, wait: float
) -> None:
    """While another program is connected, it is tried more rarely."""
    rig = await in_control()
    rig.link.attempts.clear()
    rig.link.cut()
    rig.link.connect_errors += [LinkError("in_use", retry_after=retry_after)] * 5
    await asyncio.sleep(60 + 6 * wait)
    times = [at for at, _ in rig.link.attempts]
    waits = [after - before for before, after in pairwise(times)]
    assert waits == pytest.approx([wait] * 5)
    assert len(rig.written_at()) == 2


@in_virtual_time
async def test_keep_alive_does_not_hold_commands_up() -> None:
    """While the charger is gone it makes one attempt, not one of seconds."""
    rig = await in_control()
    rig.link.is_up = False
    rig.link.cut()
    rig.link.attempts.clear()
    await asyncio.sleep(100)
    by_itself = len(rig.link.attempts)
    # The same goes for what restores after a poll.
    rig.link.is_up = True
    await rig.poll()
    assert 0 < by_itself < len(rig.link.attempts)
    assert not any(patient for _, patient in rig.link.attempts)
    # A command waits for its connection.
    rig.link.cut()
    await rig.set(current_limit=12.0)
    assert rig.link.attempts[-1][1]


@in_virtual_time
async def test_keep_alive_does_not_wait_for_a_slow_command() -> None:
    """It goes on while the charger takes its time to show what was requested."""
    rig = await in_control()
    start = now()
    await asyncio.sleep(59)
    rig.link.faults.append(Fault.LATE)
    await rig.set(fallback_limit=8.0)
    assert now() - start > 60.9
    assert [setting for _, setting, _ in rig.charger.writes] == [
        LIMIT,
        Setting.FALLBACK_LIMIT,
        LIMIT,
    ]
    assert gaps(rig)[0] <= 60.5  # It looks after each read.


@pytest.mark.parametrize(
    "wanted", [{"start_stop": StartStop.STOP}, {"phase_mode": PhaseMode.SINGLE_PHASE}]
)
@in_virtual_time
async def test_keep_alive_does_not_wait_for_slow_reads(wanted: dict[str, Any]) -> None:
    """A command that reads a slow charger first may take longer than the timeout."""
    rig = await in_control()
    await rig.set(fallback_timeout=30)
    await asyncio.sleep(15)
    rig.link.observing_takes = 40.0
    start = now()
    await rig.set(**wanted)
    assert now() - start > 40
    assert max(gaps(rig)[1:]) <= 10.1
    assert not rig.charger.is_fallback_active


@in_virtual_time
async def test_a_limit_expires_while_a_command_takes_long() -> None:
    """The keep-alive does not wait for the command."""
    rig = await in_control()
    await rig.set(fallback_timeout=30)
    valid_for = timedelta(seconds=20)
    expires_at = now() + 20
    lease = Lease(rig.wall() + valid_for, valid_for, 6.0)
    await rig.controller.set(Settings(current_limit=16.0), lease)
    rig.link.observing_takes = 40.0
    await asyncio.sleep(11)
    await rig.set(start_stop=StartStop.STOP)
    limits = [(at, value) for at, each, value in rig.charger.writes if each is LIMIT]
    assert {value for at, value in limits if at > expires_at} == {6.0}
    assert min(at for at, value in limits if value == 6.0) < expires_at + 1
    assert max(gaps(rig)[1:]) <= 10.1


@in_virtual_time
async def test_a_lost_write_is_not_waited_for_twice() -> None:
    """What was sent long before reads as it is when the charger is back."""
    rig = await in_control()
    rig.link.faults.append(Fault.NEVER_SENT)
    rig.link.connect_errors.append(LinkError("cannot_connect"))
    with pytest.raises(CommandFailed):
        await rig.set(fallback_limit=8.0)
    await asyncio.sleep(7)
    before = now()
    await rig.poll()
    assert rig.written_at()[-1] - before < 1


@in_virtual_time
async def test_keep_alive_leaves_a_slow_limit_alone() -> None:
    """The old limit is not written over the new one that takes its time to show."""
    rig = await in_control(keep_alive_at_most=0.5)
    rig.link.faults.append(Fault.LATE)
    await rig.set(current_limit=0.0)
    assert rig.desired.current_limit == 0.0
    await asyncio.sleep(1)
    first, *others = rig.written(LIMIT)
    assert first == 10.5
    assert len(others) > 1
    assert set(others) == {0.0}


@pytest.mark.parametrize("is_command_slow", [False, True])
@in_virtual_time
async def test_a_limit_that_comes_after_a_lower_one(is_command_slow: bool) -> None:
    """The charger was busy for the keep-alive: the lower limit is written again."""
    rig = await in_control()
    rig.link.latency = 0.01
    command = None
    if is_command_slow:
        rig.link.observing_takes = 10.0
        await asyncio.sleep(55)
        command = asyncio.create_task(rig.set(start_stop=StartStop.STOP))
    else:
        await asyncio.sleep(55)
    rig.link.latency = 2.0
    await asyncio.sleep(5.5)
    rig.link.latency = 0.01
    rig.controller.set_limits({Source.SURPLUS: 6.0})
    await asyncio.sleep(0.5)
    assert rig.charger.settings.current_limit == 6.0
    await asyncio.sleep(1.5)
    assert rig.written(LIMIT)[-3:] == [6.0, 10.5, 6.0]
    if command is not None:
        await command
    assert rig.charger.settings.current_limit == 6.0


@in_virtual_time
async def test_keep_alive_between_slow_commands() -> None:
    """Many settings over a slow network are no silence."""
    rig = await in_control(keep_alive_at_most=4.0)
    start = now()
    rig.link.latency = 1.0
    await rig.set(
        current_limit=16.0,
        fallback_limit=8.0,
        fallback_timeout=400,
        phase_mode=PhaseMode.SINGLE_PHASE,
    )
    assert now() - start > 10
    assert max(gaps(rig)) < 7.5


@in_virtual_time
async def test_keep_alive_ends_with_a_release() -> None:
    """What is not requested any more is not written."""
    rig = await in_control()
    await rig.controller.release()
    assert not rig.controller.keep_alive.is_running
    await rig.run_for(1000)
    assert len(rig.written_at()) == 1


@in_virtual_time
async def test_keep_alive_ends_with_a_release_that_is_cancelled() -> None:
    """Also when the release was cancelled once everything was written."""
    rig = await in_control()
    rig.save_takes = 1000.0
    release = asyncio.create_task(rig.controller.release())
    # Both the fallback limit and the end of control are stored.
    await asyncio.sleep(1500)
    release.cancel()
    with pytest.raises(asyncio.CancelledError):
        await release
    assert not rig.desired
    assert not rig.controller.keep_alive.is_running


@in_virtual_time
async def test_a_command_that_is_executed_when_control_is_stopped() -> None:
    """It is completed and stored; what waits for it fails."""
    rig = await in_control()
    rig.link.faults.append(Fault.LATE)
    command = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(rig.set(fallback_timeout=60))
    await asyncio.sleep(0)
    await rig.controller.finish()
    assert command.done()
    await command
    with pytest.raises(CommandFailed) as raised:
        await waiting
    assert raised.value.key == "cannot_connect"
    assert rig.desired.fallback_limit == 8.0
    assert rig.stored is not None
    assert rig.stored["desired"]["fallback_limit"] == 8.0
    assert not rig.controller.keep_alive.is_running
    rig.charger.writes.clear()
    # A poll that is under way writes nothing either.
    rig.link.cut()
    await rig.run_for(1000)
    assert rig.charger.writes == []


@in_virtual_time
async def test_nothing_is_kept_alive_unasked() -> None:
    """Without a requested limit, none is written."""
    rig = Rig(keep_alive_at_most=0.1)
    for name, value in OTHERS.items():
        rig.link.faults.append(Fault.LATE)
        await rig.set(**{name: value})
    await rig.run_for(2000)
    assert rig.written(LIMIT) == []
    assert not rig.controller.keep_alive.is_running


@in_virtual_time
async def test_a_first_limit_that_failed_is_not_kept_alive() -> None:
    """Only what was confirmed is."""
    rig = Rig()
    rig.link.faults.append(Fault.REFUSED)
    with suppress(CommandFailed):
        await rig.set(current_limit=10.5)
    await rig.run_for(1000)
    assert rig.written(LIMIT) == []
    assert not rig.controller.keep_alive.is_running


@in_virtual_time
async def test_keep_alive_after_a_restart() -> None:
    """The first poll restores the limit, which is kept alive from then."""
    rig = await in_control()
    rig.kill()
    await asyncio.sleep(1000)
    rig.charger.writes.clear()
    rig.start()
    await rig.controller.start()
    start = now()
    await rig.poll()
    await asyncio.sleep(121)
    assert rig.written_at()[0] - start < 0.1
    assert gaps(rig) == [60, 60]


@in_virtual_time
async def test_keep_alive_of_a_charger_that_is_gone_at_the_start() -> None:
    """It is restored as soon as it is there, without a poll."""
    rig = await in_control()
    rig.kill()
    rig.charger.power_cycle()
    rig.link.is_up = False
    rig.start()
    await rig.controller.start()
    await asyncio.sleep(1000)
    rig.link.is_up = True
    await asyncio.sleep(5.1)
    assert rig.charger.settings.current_limit == 10.5


@in_virtual_time
async def test_keep_alive_writes_the_safe_limit_in_time() -> None:
    """A limit that is not renewed is replaced on time, not at the next write."""
    rig = await in_control()
    valid_for = timedelta(seconds=17)
    lease = Lease(rig.wall() + valid_for, valid_for, 7.0)
    start = now()
    await rig.controller.set(Settings(current_limit=12.0), lease)
    await asyncio.sleep(30)
    assert rig.written(LIMIT) == [10.5, 12.0, 7.0]
    assert rig.written_at()[-1] - start == pytest.approx(17, abs=0.05)
    assert rig.notifier.events == [("limit_expired", 7.0)]
    assert rig.stored is not None
    assert rig.stored["desired"]["current_limit"] == 7.0


@in_virtual_time
async def test_a_safe_limit_that_is_refused_is_tried_again() -> None:
    """Soon, and until the charger takes it."""
    rig = await in_control()
    valid_for = timedelta(seconds=20)
    lease = Lease(rig.wall() + valid_for, valid_for, 7.0)
    await rig.controller.set(Settings(current_limit=12.0), lease)
    rig.link.faults += [Fault.REFUSED, Fault.BUSY, Fault.REFUSED]
    await asyncio.sleep(36)
    assert rig.charger.settings.current_limit == 7.0
