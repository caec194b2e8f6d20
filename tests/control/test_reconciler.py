"""The desired state is restored after each connect, in virtual time."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.link import LinkError, Lost
from custom_components.nexblue_local.control.phases import GIVE_UP_AFTER
from custom_components.nexblue_local.control.reconciler import (
    TRANSITIONS,
    Reconciler,
    ReconcileState,
)
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
)
from tests.control.fakes import DEFAULTS, FakeConnection, Fault, Rig, now
from tests.control.virtual_time import in_virtual_time

LIMIT = Setting.CURRENT_LIMIT
ADAPTIVE, SINGLE = PhaseMode.ADAPTIVE, PhaseMode.SINGLE_PHASE
START, STOP = StartStop.START, StartStop.STOP
UNSYNCED, VERIFYING, RESTORING, SYNCED, PENDING = ReconcileState
ALL: dict[str, Any] = {
    "current_limit": 10.0,
    "fallback_limit": 8.0,
    "fallback_timeout": 60,
    "phase_mode": SINGLE,
    "start_stop": STOP,
}


async def rig_of(**wanted: Any) -> Rig:
    """Return a rig with a connection, and with settings that were requested."""
    rig = Rig()
    await rig.poll()
    if wanted:
        await rig.set(**wanted)
    rig.charger.writes.clear()
    return rig


async def power_cycle(rig: Rig, *faults: Fault | None) -> None:
    """Have the charger lose its settings; poll it, with faults of the writes."""
    rig.link.cut()
    rig.charger.power_cycle()
    rig.charger.writes.clear()
    rig.link.faults += faults
    await rig.poll()


def fail_each(rig: Rig, setting: Setting, fault: Fault) -> list[float]:
    """Have each write of a setting fail; return the list of the times to come."""
    failures: list[float] = []

    class Connection(FakeConnection):
        async def write(self, written: Setting, value: Value) -> None:
            if written is setting:
                failures.append(now())
                rig.link.faults.appendleft(fault)
            await super().write(written, value)

    rig.link.connection_class = Connection
    return failures


def restored(rig: Rig) -> list[list[Setting]]:
    """Return what was reported as restored."""
    return [settings for event, settings in rig.notifier.events if event == "restored"]


@in_virtual_time
async def test_restored_after_a_power_cycle() -> None:
    """Everything that was requested is restored, and reported once.

    The phases were switched by the loss of them, and wait for ten minutes.
    """
    rig = await rig_of(**ALL)
    await asyncio.sleep(3600)
    await power_cycle(rig)
    others = [
        Setting.START_STOP,
        Setting.FALLBACK_TIMEOUT,
        Setting.FALLBACK_LIMIT,
    ]
    assert restored(rig) == [others]
    assert rig.controller.reconciler.state is PENDING
    assert rig.charger.settings.current_limit == 6.0
    await rig.run_for(590)
    assert rig.charger.settings.phase_mode is ADAPTIVE
    assert rig.charger.settings.current_limit == 6.0
    await rig.run_for(20)
    assert rig.charger.settings == Settings(**ALL)
    assert restored(rig) == [others, [Setting.PHASE_MODE]]
    await rig.run_for(1000)
    assert len(restored(rig)) == 2
    assert rig.controller.reconciler.state is SYNCED


@in_virtual_time
async def test_what_is_there_is_not_reported() -> None:
    """A lost connection is no loss of settings."""
    rig = await rig_of(**ALL)
    rig.link.cut()
    await rig.poll()
    assert restored(rig) == []
    # The limit and STOP are written again, because that costs nothing.
    assert [s for _, s, _ in rig.charger.writes] == [Setting.START_STOP, LIMIT]


@in_virtual_time
async def test_the_poll_publishes_what_was_restored() -> None:
    """The settings are read again after a restoration."""
    wanted = {name: value for name, value in ALL.items() if name != "phase_mode"}
    rig = await rig_of(**wanted)
    await power_cycle(rig)
    assert rig.link.settings == Settings(**wanted, phase_mode=ADAPTIVE)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BUSY])
@in_virtual_time
async def test_no_start_without_its_limit(fault: Fault) -> None:
    """A vehicle must not charge with more than was requested."""
    rig = await rig_of(current_limit=10.0, start_stop=START)
    await power_cycle(rig, fault, fault)
    assert rig.charger.writes == []
    assert rig.controller.reconciler.state is PENDING
    await rig.run_for(30)
    assert rig.charger.writes[0][1:] == (LIMIT, 10.0)
    assert rig.written(Setting.START_STOP) == [START]
    assert rig.charger.settings.current_limit == 10.0
    assert rig.controller.reconciler.state is SYNCED


@in_virtual_time
async def test_stop_comes_before_its_limit() -> None:
    """STOP is the safest of all, and does not depend on the limit."""
    rig = await rig_of(current_limit=10.0, start_stop=STOP)
    await power_cycle(rig, None, Fault.REFUSED)
    assert rig.written(Setting.START_STOP) == [STOP]


@in_virtual_time
async def test_a_busy_register_is_tried_again_alone() -> None:
    """Only what is left is written again, with the limit, and slower each time."""
    rig = await rig_of(current_limit=10.0, fallback_limit=8.0, start_stop=STOP)
    await power_cycle(rig, None, Fault.BUSY, None, Fault.BUSY)
    assert rig.controller.reconciler.state is PENDING
    assert rig.charger.settings.fallback_limit == 6.0
    rig.charger.writes.clear()
    await rig.run_for(6)
    assert rig.written(Setting.FALLBACK_LIMIT) == [8.0]
    assert rig.written(Setting.START_STOP) == []
    assert rig.controller.reconciler.state is SYNCED


@in_virtual_time
async def test_what_stays_busy_is_tried_more_and_more_rarely() -> None:
    """At last once a minute, and the keep-alive goes on."""
    rig = await rig_of(current_limit=10.0, fallback_limit=8.0)
    failures = fail_each(rig, Setting.FALLBACK_LIMIT, Fault.BUSY)
    await power_cycle(rig)
    await rig.run_for(600)
    assert rig.controller.reconciler.state is PENDING
    waits = [after - before for before, after in pairwise(failures)]
    assert waits == sorted(waits)
    assert 55 < waits[-1] < 66
    assert max(after - before for before, after in pairwise(rig.written_at())) < 66


@in_virtual_time
async def test_refused_phases_hold_the_limit() -> None:
    """Until they are restored, in which a refused attempt costs no switch."""
    rig = await rig_of(current_limit=16.0, phase_mode=SINGLE)
    await asyncio.sleep(3600)
    await power_cycle(rig, None, Fault.REFUSED)
    assert rig.charger.settings.current_limit == 6.0
    assert rig.state.limits.lowest == (6.0, "phases")
    # The loss of the mode, which somebody else may have made.
    assert len(rig.state.phases.budget.switches) == 1
    assert rig.controller.reconciler.state is PENDING
    assert ("warn", "limited to 6 A until its phase mode may be restored") in (
        rig.notifier.events
    )
    await rig.run_for(1200)
    assert rig.charger.settings.phase_mode is SINGLE
    assert rig.charger.settings.current_limit == 16.0
    assert rig.controller.reconciler.state is SYNCED


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.IGNORED])
@in_virtual_time
async def test_a_hold_ends_after_some_attempts(fault: Fault) -> None:
    """A charger that does not take its phases back gets its limit all the same."""
    rig = await rig_of(current_limit=16.0, phase_mode=SINGLE)
    await asyncio.sleep(3600)
    fail_each(rig, Setting.PHASE_MODE, fault)
    await power_cycle(rig)
    assert rig.charger.settings.current_limit == 6.0
    end = now() + 4 * 3600
    while rig.state.phases.is_held:
        assert now() < end
        assert rig.charger.settings.current_limit == 6.0
        await rig.run_for(5)
    assert rig.state.phases.failures == GIVE_UP_AFTER
    assert rig.state.phases.is_given_up
    await rig.run_for(10)
    assert rig.charger.settings.current_limit == 16.0
    # No other attempt is made, but the request still stands.
    failures = rig.state.phases.failures
    await rig.run_for(4 * 3600)
    assert rig.state.phases.failures == failures
    assert rig.desired.phase_mode is SINGLE
    assert rig.controller.reconciler.state is PENDING


@in_virtual_time
async def test_start_is_dropped_when_its_session_is_seen_to_end() -> None:
    """Another vehicle is not started by what was meant for the first."""
    rig = await rig_of()
    rig.charger.plug_in()
    await rig.poll()
    await rig.set(start_stop=START)
    rig.charger.unplug()
    await rig.poll()
    assert not rig.desired
    assert rig.stored is not None
    assert rig.stored["desired"] == {}
    rig.charger.plug_in()
    await power_cycle(rig)
    assert rig.written(Setting.START_STOP) == []


@in_virtual_time
async def test_stop_is_dropped_when_its_session_is_seen_to_end() -> None:
    """So is STOP, once the charger is available again."""
    rig = await rig_of()
    rig.charger.plug_in()
    await rig.poll()
    await rig.set(start_stop=STOP)
    await power_cycle(rig)
    assert rig.written(Setting.START_STOP) == [STOP]
    rig.charger.unplug()
    await rig.poll()
    assert not rig.desired
    await power_cycle(rig)
    assert rig.written(Setting.START_STOP) == []


@pytest.mark.parametrize(("command", "written"), [(START, []), (STOP, [STOP])])
@in_virtual_time
async def test_another_session_after_an_outage(
    command: StartStop, written: list[StartStop]
) -> None:
    """If nobody saw the vehicle go, START is not restored, and STOP is."""
    rig = await rig_of()
    rig.charger.plug_in()
    rig.charger.session_energy = 5.0
    await rig.poll()
    await rig.set(start_stop=command)
    rig.charger.unplug()
    rig.charger.plug_in()
    await power_cycle(rig)
    assert rig.written(Setting.START_STOP) == written


@in_virtual_time
async def test_start_in_the_same_session_is_restored() -> None:
    """A connection that is lost in a session ends nothing."""
    rig = await rig_of()
    rig.charger.plug_in()
    await rig.poll()
    await rig.set(start_stop=START)
    await power_cycle(rig)
    assert rig.written(Setting.START_STOP) == [START]


@pytest.mark.parametrize("fault", [Fault.IGNORED, Fault.REFUSED])
@in_virtual_time
async def test_stop_that_is_ignored_on_restoring(fault: Fault) -> None:
    """It is shown as refused, as one that is refused is."""
    rig = await rig_of(current_limit=10.0, start_stop=STOP)
    rig.link.lasting_faults[Setting.START_STOP] = fault
    await power_cycle(rig)
    assert rig.controller.reconciler.refuses_start_stop
    assert rig.charger.settings.current_limit == 10.0
    assert restored(rig) == [[LIMIT]]
    # That is of no concern once control is released.
    await rig.controller.release()
    assert not rig.controller.reconciler.refuses_start_stop


@in_virtual_time
async def test_a_lease_that_ran_out_is_not_restored() -> None:
    """The safe limit is written at once."""
    rig = await rig_of()
    valid_for = timedelta(minutes=5)
    lease = Lease(rig.wall() + valid_for, valid_for, 7.0)
    await rig.controller.set(Settings(current_limit=16.0), lease)
    rig.kill()
    await asyncio.sleep(400)
    rig.charger.writes.clear()
    rig.start()
    await rig.controller.start()
    await rig.run_for(5)
    assert rig.written(LIMIT) == [7.0]
    assert ("limit_expired", 7.0) in rig.notifier.events


@in_virtual_time
async def test_nothing_is_written_before_it_is_restored() -> None:
    """A command restores first, on the connection that it makes."""
    rig = await rig_of(current_limit=10.0, start_stop=STOP)
    rig.link.cut()
    rig.charger.power_cycle()
    await rig.set(fallback_limit=8.0)
    assert [s for _, s, _ in rig.charger.writes] == [
        Setting.START_STOP,
        LIMIT,
        Setting.FALLBACK_LIMIT,
    ]


@in_virtual_time
async def test_restoring_that_fails_is_tried_again() -> None:
    """A connection that is lost meanwhile leaves the rest to the next one."""
    rig = await rig_of(current_limit=10.0, fallback_limit=8.0, start_stop=STOP)
    await power_cycle(rig, None, Fault.NEVER_SENT)
    assert rig.controller.reconciler.state is UNSYNCED
    await rig.poll()
    assert rig.controller.reconciler.state is SYNCED
    assert rig.charger.settings.current_limit == 10.0
    assert rig.charger.settings.fallback_limit == 8.0


def test_transitions() -> None:
    """Each state can be left, and each but the first is reached from another."""
    assert {of for of, _ in TRANSITIONS} == set(ReconcileState)
    assert {to for _, to in TRANSITIONS} == set(ReconcileState)


def test_each_transition_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is documented as possible happens, and nothing else does."""
    reached: set[tuple[ReconcileState, ReconcileState]] = set()

    def follow(reconciler: Reconciler, state: ReconcileState) -> None:
        before = getattr(reconciler, "_followed", UNSYNCED)
        if before is not state:
            reached.add((before, state))
        vars(reconciler)["_followed"] = state

    monkeypatch.setattr(
        Reconciler,
        "_state",
        property(lambda self: vars(self)["_followed"], follow),
        raising=False,
    )

    @in_virtual_time
    async def live() -> None:
        rig = await rig_of(**ALL)
        # Lost while synced, while restoring, and while a command is verified.
        await power_cycle(rig, Fault.NEVER_SENT)
        await rig.poll()
        rig.link.faults += [Fault.UNANSWERED]
        rig.link.connect_errors.append(LinkError("cannot_connect"))
        with pytest.raises(CommandFailed):
            await rig.set(fallback_limit=9.0)
        rig.link.read_errors += [None, None, Lost("connection_cut")]
        await rig.poll()
        await rig.poll()
        # Lost while the phases are pending, which are restored later.
        assert rig.controller.reconciler.state is PENDING
        rig.link.cut()
        await rig.poll()
        await rig.run_for(7300)
        assert rig.controller.reconciler.state is SYNCED
        await rig.run_for(3700)
        await rig.set(phase_mode=PhaseMode.ADAPTIVE)
        rig.controller.delegate_phases(is_delegated=True)
        await rig.run_for(3700)
        await rig.controller.choose_phases(PhaseMode.SINGLE_PHASE)
        rig.controller.delegate_phases(is_delegated=False)
        await rig.poll()
        assert rig.controller.reconciler.state is PENDING

    live()
    assert reached == set(TRANSITIONS)


@in_virtual_time
async def test_fallback_is_reported() -> None:
    """When it engages, and when it had at the start although in control."""
    rig = await rig_of(current_limit=10.0)
    rig.link.is_up = False
    rig.link.cut()
    await asyncio.sleep(400)
    rig.link.is_up = True
    await rig.poll()
    assert rig.notifier.events.count(("fallback_engaged", None)) == 1
    assert not rig.controller.reconciler.has_unexpected_fallback
    await rig.run_for(30)
    assert rig.notifier.events.count(("fallback_engaged", None)) == 1
    assert rig.charger.settings == DEFAULTS.with_value(LIMIT, 10.0)


@in_virtual_time
async def test_a_fallback_in_spite_of_control() -> None:
    """One that engages although the limit was written in time is unexpected."""
    rig = await rig_of(current_limit=10.0)
    await rig.run_for(30)
    rig.charger.written_at = now() - 1000
    await rig.poll()
    assert rig.controller.reconciler.has_unexpected_fallback
    await rig.run_for(3590)
    assert rig.controller.reconciler.has_unexpected_fallback
    await rig.run_for(30)
    assert not rig.controller.reconciler.has_unexpected_fallback


@in_virtual_time
async def test_another_session_is_known_from_one_read() -> None:
    """A command after an outage that nobody noticed does not restore START."""
    rig = await rig_of()
    rig.charger.plug_in()
    rig.charger.session_energy = 5.0
    await rig.poll()
    await rig.set(start_stop=START)
    rig.charger.writes.clear()
    rig.link.cut()
    rig.charger.power_cycle()
    rig.charger.plug_in()
    await rig.set(fallback_limit=8.0)
    assert rig.written(Setting.START_STOP) == []
    assert rig.desired == Settings(fallback_limit=8.0)


@in_virtual_time
async def test_what_is_read_without_a_poll_is_published() -> None:
    """The keep-alive publishes what it read to restore; a poll does so itself."""
    rig = await rig_of(current_limit=10.0)
    rig.notifier.updates.clear()
    rig.link.cut()
    await rig.poll()
    assert rig.notifier.updates == []
    rig.link.cut()
    await asyncio.sleep(61)
    assert rig.notifier.updates == [True]


@in_virtual_time
async def test_phases_do_not_wait_for_what_stays_refused() -> None:
    """A fallback limit that is refused for good does not hold the limit at 6 A."""
    rig = await rig_of(current_limit=16.0, fallback_limit=8.0, phase_mode=SINGLE)
    await asyncio.sleep(3600)
    rig.link.lasting_faults[Setting.FALLBACK_LIMIT] = Fault.REFUSED
    await power_cycle(rig)
    await rig.run_for(620)
    assert rig.charger.settings.phase_mode is SINGLE
    assert rig.charger.settings.current_limit == 16.0
    assert rig.controller.reconciler.state is PENDING


@in_virtual_time
async def test_a_refused_limit_is_pending() -> None:
    """Until the keep-alive has written it."""
    rig = await rig_of(current_limit=10.0)
    rig.link.lasting_faults[LIMIT] = Fault.REFUSED
    await power_cycle(rig)
    assert rig.controller.reconciler.state is PENDING
    rig.link.lasting_faults.clear()
    await rig.run_for(12)
    assert rig.charger.settings.current_limit == 10.0
    assert rig.controller.reconciler.state is SYNCED


@in_virtual_time
async def test_reconnects_do_not_use_up_the_attempts() -> None:
    """Refused phases are tried again ten minutes later, however often it reconnects."""
    rig = await rig_of(current_limit=16.0, phase_mode=SINGLE)
    await asyncio.sleep(3600)
    rig.link.lasting_faults[Setting.PHASE_MODE] = Fault.REFUSED
    await power_cycle(rig)
    await rig.run_for(620)
    for _ in range(5):
        rig.link.cut()
        await rig.run_for(10)
    assert rig.state.phases.failures == 1
    assert rig.state.limits.lowest == (6.0, "phases")


@in_virtual_time
async def test_no_hold_without_a_switch_in_the_session() -> None:
    """The limit applies when the session's switches are used up, until it ends."""
    rig = await rig_of(current_limit=16.0, phase_mode=SINGLE)
    rig.charger.plug_in()
    await rig.run_for(60)
    # The loss of the mode is the sixth.
    rig.state.phases.budget.in_session = 5
    await power_cycle(rig)
    assert rig.state.phases.is_given_up
    assert rig.charger.settings.current_limit == 16.0
    await rig.run_for(3700)
    assert rig.charger.settings.phase_mode is ADAPTIVE
    rig.charger.unplug()
    await rig.run_for(10)
    assert rig.charger.settings.phase_mode is SINGLE
    assert rig.controller.reconciler.state is SYNCED


@in_virtual_time
async def test_unsynced_while_the_charger_is_gone() -> None:
    """Whether it has its settings is not known then."""
    rig = await rig_of(current_limit=10.0)
    assert rig.controller.reconciler.state is SYNCED
    rig.link.is_up = False
    await rig.poll()
    assert rig.controller.reconciler.state is UNSYNCED
    assert rig.controller.as_dict()["state"] == "unsynced"
