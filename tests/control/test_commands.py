"""Commands, their outcomes and their order, in virtual time."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from custom_components.nexblue_local.control.controller import ERRORS
from custom_components.nexblue_local.control.errors import CommandFailed, Rejected
from custom_components.nexblue_local.control.link import Busy, LinkError
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from custom_components.nexblue_local.control.writer import Outcome
from tests.control.fakes import Fault, Rig, now
from tests.control.virtual_time import in_virtual_time

LIMIT = Setting.CURRENT_LIMIT
SINGLE = PhaseMode.SINGLE_PHASE


async def rig_of(**wanted: Any) -> Rig:
    """Return a rig with a connection, and with settings that were requested."""
    rig = Rig()
    await rig.poll()
    if wanted:
        await rig.set(**wanted)
    return rig


async def fails(rig: Rig, **wanted: Any) -> CommandFailed:
    """Request settings; return the error."""
    with pytest.raises(CommandFailed) as raised:
        await rig.set(**wanted)
    return raised.value


def test_each_outcome_has_an_error() -> None:
    """None is left out of the table."""
    assert set(Outcome) - set(ERRORS) == {Outcome.CONFIRMED, Outcome.SUPERSEDED}


@pytest.mark.parametrize(
    ("faults", "key", "desired", "found"),
    [
        pytest.param([], None, 10.5, 10.5, id="confirmed"),
        pytest.param([Fault.LATE], None, 10.5, 10.5, id="confirmed late"),
        # The charger may show what it offers, which is no failure.
        pytest.param([Fault.REDUCED], None, 10.5, 5.2, id="reduced"),
        pytest.param([Fault.IGNORED], None, 10.5, 9.0, id="ignored"),
        pytest.param([Fault.REFUSED], "refused", 9.0, 9.0, id="refused"),
        pytest.param([Fault.BUSY], "refused", 9.0, 9.0, id="busy"),
        pytest.param([Fault.NEVER_SENT], "not_executed", 9.0, 9.0, id="not sent"),
        pytest.param([Fault.UNANSWERED], None, 10.5, 10.5, id="unanswered"),
    ],
)
@in_virtual_time
async def test_outcomes(
    faults: list[Fault], key: str | None, desired: float, found: float
) -> None:
    """What follows from each outcome of a current limit that is 9 A before."""
    rig = await rig_of(current_limit=9.0)
    rig.link.faults += faults
    if key is None:
        await rig.set(current_limit=10.5)
    else:
        error = await fails(rig, current_limit=10.5)
        assert error.key == key
        assert error.setting is LIMIT
        assert error.wanted == 10.5
        if error.found is not None:
            assert error.found == found
    assert rig.desired.current_limit == desired
    assert rig.charger.settings.current_limit == found
    assert rig.stored is not None
    assert rig.stored["desired"] == {"current_limit": desired}
    # It stays so.
    rig.link.cut()
    await rig.run_for(1000)
    assert rig.desired.current_limit == desired
    assert rig.charger.settings.current_limit == desired


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault.REFUSED, "start_stop_refused"),
        (Fault.BUSY, "start_stop_refused"),
        (Fault.IGNORED, "start_stop_refused"),
        (Fault.NEVER_SENT, "not_executed"),
    ],
)
@in_virtual_time
async def test_outcomes_of_start_and_stop(fault: Fault, key: str) -> None:
    """A charger under OCPP refuses them, which has an error and a state of its own."""
    rig = await rig_of()
    rig.link.faults.append(fault)
    start = now()
    assert (await fails(rig, start_stop=StartStop.STOP)).key == key
    # It is waited for as long as a setting may read as before.
    assert now() - start <= rig.timing.confirm_for + 0.1
    assert not rig.desired
    is_refused = key == "start_stop_refused"
    assert rig.controller.reconciler.refuses_start_stop is is_refused
    await rig.set(start_stop=StartStop.STOP)
    assert not rig.controller.reconciler.refuses_start_stop


@in_virtual_time
async def test_refused_is_shown_until_the_connection_ends() -> None:
    """The charger may have been configured meanwhile."""
    rig = await rig_of()
    rig.link.faults.append(Fault.REFUSED)
    await fails(rig, start_stop=StartStop.STOP)
    assert rig.controller.reconciler.refuses_start_stop
    rig.link.cut()
    await rig.poll()
    assert not rig.controller.reconciler.refuses_start_stop


@pytest.mark.parametrize(
    ("fault", "key", "count"),
    [
        (None, None, 1),
        (Fault.LATE, None, 1),
        (Fault.UNANSWERED, None, 1),
        (Fault.REFUSED, "refused", 0),
        (Fault.BUSY, "refused", 0),
        # It may have been made.
        (Fault.IGNORED, "not_taken", 1),
        (Fault.NEVER_SENT, "not_executed", 1),
    ],
)
@in_virtual_time
async def test_a_refused_switch_is_refunded(
    fault: Fault | None, key: str | None, count: int
) -> None:
    """A switch of the phases that was not made is given back, and that is stored."""
    rig = await rig_of()
    rig.link.faults.append(fault)
    if key is None:
        await rig.set(phase_mode=SINGLE)
    else:
        assert (await fails(rig, phase_mode=SINGLE)).key == key
    assert len(rig.state.phases.budget.switches) == count
    assert rig.stored is not None
    assert len(rig.stored["budget"]["switches"]) == count


@in_virtual_time
async def test_a_switch_that_was_not_sent_does_not_count() -> None:
    """A connection that ended before is noticed before the switch is counted."""
    rig = await rig_of()
    connection = rig.link.connection
    assert connection is not None

    async def cut_before() -> None:
        connection.is_over = True
        raise LinkError("connection_cut")

    # A method of the fake, replaced for this connection alone.
    connection.check_writable = cut_before  # type: ignore[method-assign]
    assert (await fails(rig, phase_mode=SINGLE)).key == "connection_cut"
    assert rig.state.phases.budget.switches == []
    assert rig.charger.writes == []


@in_virtual_time
async def test_the_phase_budget_is_saved_before_it_is_spent() -> None:
    """A switch is counted, and stored, before it is written."""
    rig = await rig_of()
    rig.save_takes = 3.0
    command = asyncio.create_task(rig.set(phase_mode=SINGLE))
    await asyncio.sleep(2.9)
    assert rig.charger.writes == []
    await command
    assert rig.written_at(Setting.PHASE_MODE)[0] - 1000 > 3.0
    command = asyncio.create_task(rig.set(phase_mode=PhaseMode.ADAPTIVE))
    with pytest.raises(Rejected):
        await command


@in_virtual_time
async def test_a_command_is_answered_once_it_is_stored() -> None:
    """Not while that is still going on."""
    rig = await rig_of()
    rig.save_takes = 3.0
    start = now()
    await rig.set(current_limit=10.5)
    assert now() - start > 3.0
    assert rig.stored is not None
    assert rig.stored["desired"] == {"current_limit": 10.5}


@in_virtual_time
async def test_a_pause_overtakes() -> None:
    """Commands that take seconds do not delay it for longer than a request."""
    rig = await rig_of(current_limit=8.0)
    rig.link.latency = 0.2
    rig.link.faults += [Fault.LATE]
    commands = []
    for limit in (10.0, 12.0, 14.0, 16.0):
        commands.append(asyncio.create_task(rig.set(current_limit=limit)))
        await asyncio.sleep(0.3)
    start = now()
    await rig.set(current_limit=0.0)
    in_force = next(at for at, s, v in rig.charger.writes if s is LIMIT and v == 0)
    assert in_force - start <= rig.link.latency + 0.001
    await asyncio.gather(*commands)
    limits = rig.written(LIMIT)
    assert limits[:2] == [8.0, 10.0]
    assert set(limits[limits.index(0.0) :]) == {0.0}
    assert rig.desired == Settings(current_limit=0.0)


@in_virtual_time
async def test_a_pause_ends_the_wait_of_the_limit_before() -> None:
    """It does not wait for the next read of a limit that it replaces."""
    rig = Rig(confirm_every=3.0)
    await rig.set(current_limit=16.0)
    rig.link.faults.append(Fault.IGNORED)
    ignored = asyncio.create_task(rig.set(current_limit=9.0))
    await asyncio.sleep(1.0)
    start = now()
    await rig.set(current_limit=0.0)
    assert now() - start < 0.1
    await ignored


@in_virtual_time
async def test_a_reduced_value_is_the_desired_one() -> None:
    """What the charger made of a limit is restored, and an error tells it."""
    rig = await rig_of()
    rig.link.faults.append(Fault.REDUCED)
    error = await fails(rig, fallback_limit=16.0)
    assert (error.key, error.found) == ("clamped", 8.0)
    assert rig.desired == Settings(fallback_limit=8.0)
    assert rig.stored is not None
    assert rig.stored["desired"] == {"fallback_limit": 8.0}


@pytest.mark.parametrize("before", [{}, {"current_limit": 10.0}])
@in_virtual_time
async def test_a_pause_overtakes_commands_for_other_settings(
    before: dict[str, Any],
) -> None:
    """Also the first limit that is requested."""
    rig = Rig(keep_alive_at_most=0.7)
    await rig.poll()
    if before:
        await rig.set(**before)
    rig.charger.late += [
        (now() + 2, Setting.FALLBACK_LIMIT, 6.0),
        (now() + 4, Setting.PHASE_MODE, PhaseMode.ADAPTIVE),
    ]
    slow = [
        asyncio.create_task(rig.set(fallback_limit=8.0)),
        asyncio.create_task(rig.set(phase_mode=SINGLE)),
    ]
    await asyncio.sleep(0.3)
    rig.charger.writes.clear()
    start = now()
    pause = asyncio.create_task(rig.set(current_limit=0.0))
    await asyncio.sleep(0.1)
    assert rig.charger.settings.current_limit == 0.0
    assert rig.written_at()[-1] - start <= rig.link.latency + 0.001
    assert not slow[0].done()
    # It is confirmed in its turn.
    assert not pause.done()
    await asyncio.gather(*slow, pause)
    assert now() - start > 3.5
    # The keep-alive does not write the limit from before it meanwhile.
    assert len(rig.written(LIMIT)) > 4
    assert set(rig.written(LIMIT)) == {0.0}
    assert rig.desired == Settings(
        current_limit=0.0, fallback_limit=8.0, phase_mode=SINGLE
    )


@in_virtual_time
async def test_a_pause_that_overtakes_is_refused() -> None:
    """It is an error, and the limit from before it still applies."""
    rig = await rig_of(current_limit=10.0)
    rig.link.faults += [Fault.LATE, Fault.REFUSED, Fault.REFUSED]
    slow = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.3)
    assert (await fails(rig, current_limit=0.0)).key == "refused"
    await slow
    await rig.run_for(100)
    assert rig.desired.current_limit == 10.0
    assert rig.charger.settings.current_limit == 10.0


@in_virtual_time
async def test_a_newer_command_replaces_one_that_waits() -> None:
    """Only the newest is written, and all share its outcome."""
    rig = await rig_of(current_limit=6.0)
    rig.link.faults.append(Fault.LATE)
    slow = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.1)
    commands = [
        asyncio.create_task(rig.set(current_limit=limit))
        for limit in (10.0, 12.0, 14.0)
    ]
    await asyncio.gather(slow, *commands)
    assert rig.written(LIMIT) == [6.0, 14.0]
    assert rig.desired.current_limit == 14.0


@in_virtual_time
async def test_a_replaced_command_shares_the_error() -> None:
    """Of the command that replaced it."""
    rig = await rig_of(current_limit=6.0)
    rig.link.faults += [Fault.LATE, Fault.REFUSED]
    slow = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.1)
    commands = [
        asyncio.create_task(rig.set(current_limit=limit)) for limit in (10.0, 12.0)
    ]
    results = await asyncio.gather(*commands, return_exceptions=True)
    await slow
    assert [getattr(result, "key", None) for result in results] == ["refused"] * 2
    assert rig.desired.current_limit == 6.0


@in_virtual_time
async def test_a_newer_command_replaces_one_that_is_executed() -> None:
    """The read-back of the older one ends."""
    rig = await rig_of(current_limit=6.0)
    rig.link.faults.append(Fault.IGNORED)
    older = asyncio.create_task(rig.set(current_limit=10.0))
    await asyncio.sleep(0.1)
    start = now()
    await rig.set(current_limit=12.0)
    await older
    assert now() - start < 1.0
    assert rig.desired.current_limit == 12.0


@in_virtual_time
async def test_only_the_setting_that_is_newer_is_replaced() -> None:
    """The others of a command are written."""
    rig = await rig_of()
    rig.link.faults.append(Fault.LATE)
    slow = asyncio.create_task(rig.set(start_stop=StartStop.STOP))
    await asyncio.sleep(0.1)
    older = asyncio.create_task(rig.set(fallback_limit=8.0, fallback_timeout=60))
    newer = asyncio.create_task(rig.set(fallback_limit=9.0))
    await asyncio.gather(slow, older, newer)
    assert rig.written(Setting.FALLBACK_LIMIT) == [9.0]
    assert rig.desired == Settings(
        fallback_limit=9.0, fallback_timeout=60, start_stop=StartStop.STOP
    )


@in_virtual_time
async def test_the_command_that_replaced_another_is_cancelled() -> None:
    """The one that was replaced applies again: nobody is told of what is not done."""
    rig = await rig_of(current_limit=6.0)
    rig.link.faults.append(Fault.LATE)
    slow = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.1)
    older = asyncio.create_task(rig.set(current_limit=10.0))
    await asyncio.sleep(0.1)
    newer = asyncio.create_task(rig.set(current_limit=12.0))
    rig.save_takes = 0.5
    # The older one has seen then that it was replaced.
    await slow
    await asyncio.sleep(0.02)
    newer.cancel()
    await older
    assert rig.desired.current_limit == 10.0
    assert rig.charger.settings.current_limit == 10.0
    assert newer.cancelled()


@in_virtual_time
async def test_a_replaced_command_that_is_cancelled() -> None:
    """The one that replaced it goes on."""
    rig = await rig_of(current_limit=6.0)
    rig.link.faults.append(Fault.LATE)
    slow = asyncio.create_task(rig.set(fallback_limit=8.0))
    await asyncio.sleep(0.1)
    older = asyncio.create_task(rig.set(current_limit=10.0))
    newer = asyncio.create_task(rig.set(current_limit=12.0))
    await asyncio.sleep(0.1)
    older.cancel()
    await asyncio.gather(slow, newer)
    assert rig.desired.current_limit == 12.0


@in_virtual_time
async def test_limits_by_source() -> None:
    """The lowest is written at once and kept alive; only the user's is stored."""
    rig = await rig_of(current_limit=16.0)
    for limit, expected in ((10.0, 10.0), (20.0, 16.0), (8.0, 8.0), (None, 16.0)):
        rig.controller.set_limits({"surplus": limit})
        await asyncio.sleep(0.1)
        assert rig.charger.settings.current_limit == expected
        await rig.run_for(200)
        assert rig.charger.settings.current_limit == expected
        assert rig.desired.current_limit == 16.0
        assert rig.stored is not None
        assert rig.stored["desired"] == {"current_limit": 16.0}
        assert "surplus" not in str(rig.stored)
    times = rig.written_at()
    assert max(after - before for before, after in pairwise(times)) < 60.1


@in_virtual_time
async def test_a_command_above_the_limit_of_another_source() -> None:
    """It is stored as it was requested, and written as low as it has to be."""
    rig = await rig_of(current_limit=16.0)
    rig.controller.set_limits({"fuse": 10.0})
    await rig.set(current_limit=20.0)
    assert rig.desired.current_limit == 20.0
    assert rig.charger.settings.current_limit == 10.0
    assert rig.controller.as_dict()["limited_by"] == "fuse"
    await rig.set(current_limit=8.0)
    assert rig.charger.settings.current_limit == 8.0
    assert rig.controller.as_dict()["limited_by"] == "user"
    # A release drops the limits of all sources.
    await rig.controller.release()
    assert rig.state.limits.effective is None
    assert not rig.desired


@in_virtual_time
async def test_a_limit_of_another_source_is_restored() -> None:
    """After a power cycle the lowest is written, not the user's."""
    rig = await rig_of(current_limit=16.0)
    rig.controller.set_limits({"fuse": 10.0})
    await asyncio.sleep(0.1)
    rig.link.cut()
    rig.charger.power_cycle()
    rig.charger.writes.clear()
    await rig.poll()
    assert rig.written(LIMIT) == [10.0]


@in_virtual_time
async def test_a_charger_without_phases() -> None:
    """A setting that a link cannot write is rejected, and never written."""
    rig = await rig_of()
    can = frozenset(Setting) - {Setting.PHASE_MODE}
    rig.link.capabilities = can
    with pytest.raises(Rejected) as rejected:
        await rig.set(phase_mode=SINGLE)
    assert rejected.value.key == "not_supported"
    # Neither is anything that is requested with it.
    with pytest.raises(Rejected):
        await rig.set(current_limit=10.0, phase_mode=SINGLE)
    assert rig.charger.writes == []
    await rig.set(current_limit=10.0, start_stop=StartStop.STOP)
    # A record from when it could.
    rig.state.confirm(Setting.PHASE_MODE, SINGLE)
    rig.link.cut()
    rig.charger.power_cycle()
    await rig.run_for(1000)
    assert rig.written(Setting.PHASE_MODE) == []
    assert rig.charger.settings.start_stop is StartStop.STOP


@in_virtual_time
async def test_order_of_a_shorter_timeout() -> None:
    """The limit is written first, because the timer may be about to run out."""
    rig = await rig_of(current_limit=10.0)
    rig.charger.writes.clear()
    await rig.set(fallback_timeout=60)
    assert [setting for _, setting, _ in rig.charger.writes] == [
        LIMIT,
        Setting.FALLBACK_TIMEOUT,
    ]


@in_virtual_time
async def test_no_shorter_timeout_without_the_limit() -> None:
    """If the limit is refused, the timeout is not written."""
    rig = await rig_of(current_limit=10.0)
    rig.link.faults.append(Fault.REFUSED)
    assert (await fails(rig, fallback_timeout=60)).key == "refused"
    assert rig.written(Setting.FALLBACK_TIMEOUT) == []


@in_virtual_time
async def test_confirmed_settings_apply_before_an_error() -> None:
    """When one of several settings fails, those before it are kept."""
    rig = await rig_of()
    rig.link.faults += [None, Fault.REFUSED]
    error = await fails(rig, fallback_limit=8.0, fallback_timeout=60, current_limit=20)
    assert error.setting is Setting.FALLBACK_LIMIT
    assert rig.desired == Settings(fallback_timeout=60)
    assert rig.stored is not None
    assert rig.stored["desired"] == {"fallback_timeout": 60}


@pytest.mark.parametrize(
    ("present", "requested", "written"),
    [(8.0, None, 8.0), (4.0, None, 0.0), (0.0, None, 0.0), (8.0, 10.0, 10.0)],
)
@in_virtual_time
async def test_release_writes_the_fallback_limit(
    present: float, requested: float | None, written: float
) -> None:
    """Also one that the charger treats as 0."""
    rig = await rig_of(current_limit=10.0)
    rig.charger.settings = rig.charger.settings.with_value(
        Setting.FALLBACK_LIMIT, present
    )
    await rig.poll()
    await rig.controller.release(requested)
    assert rig.written(Setting.FALLBACK_LIMIT) == [written]
    assert rig.stored is not None
    assert rig.stored["desired"] == {}


@in_virtual_time
async def test_release_that_fails() -> None:
    """Control is not released then."""
    rig = await rig_of(current_limit=10.0)
    rig.link.faults.append(Fault.REFUSED)
    with pytest.raises(CommandFailed):
        await rig.controller.release()
    assert rig.desired.current_limit == 10.0
    assert rig.controller.keep_alive.is_running


@in_virtual_time
async def test_a_busy_read_before_a_command() -> None:
    """A command whose first read is refused fails with that, and is not written."""
    rig = await rig_of()
    rig.link.read_errors.append(Busy("refused"))
    assert (await fails(rig, phase_mode=SINGLE)).key == "refused"
    assert rig.charger.writes == []


@in_virtual_time
async def test_a_long_silence_is_rejected_in_control() -> None:
    """Up to all but one period of the fallback timeout is allowed."""
    rig = await rig_of(current_limit=10.0)
    released: list[float] = []

    def release() -> None:
        released.append(now())

    with pytest.raises(Rejected) as rejected:
        await rig.controller.prepare_silence(241, force=False, release=release)
    assert rejected.value.key == "in_control"
    assert rejected.value.seconds == 240
    assert released == []
    await rig.controller.prepare_silence(240, force=False, release=release)
    # The whole timeout counts from the write before it.
    assert released[0] - rig.written_at()[-1] < 0.001
    assert len(rig.written_at()) == 2
    await rig.controller.prepare_silence(3600, force=True, release=release)
    assert len(released) == 2


@in_virtual_time
async def test_a_pause_ends_the_wait_of_an_older_limit() -> None:
    """It is confirmed without waiting for the next read of the older one."""
    rig = await rig_of(current_limit=8.0)
    rig.link.faults.append(Fault.IGNORED)
    older = asyncio.create_task(rig.set(current_limit=10.0))
    await asyncio.sleep(0.1)
    start = now()
    await rig.set(current_limit=0.0)
    assert now() - start < 0.1
    await older
    assert rig.desired.current_limit == 0.0


@in_virtual_time
async def test_a_replaced_start_is_no_refusal() -> None:
    """START that is replaced while it is read back was not refused."""
    rig = await rig_of()
    await rig.set(start_stop=StartStop.STOP)
    rig.link.lasting_faults[Setting.START_STOP] = Fault.LATE
    start = asyncio.create_task(rig.set(start_stop=StartStop.START))
    await asyncio.sleep(0.3)
    rig.link.lasting_faults.clear()
    await rig.set(start_stop=StartStop.STOP)
    await start
    assert rig.desired.start_stop is StartStop.STOP
    assert not rig.controller.reconciler.refuses_start_stop
