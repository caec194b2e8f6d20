"""Test a charger that accepts only part of what is restored, in virtual time."""

import asyncio
import logging

import pytest

from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from tests.control.fakes import Fault, Rig
from tests.control.test_restoring import (
    LIMIT,
    SINGLE,
    START,
    STOP,
    power_cycle,
    writes_since,
)
from tests.control.virtual_time import run

FALLBACK_LIMIT = Settings(fallback_limit=8.0)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings about settings that were not restored."""
    return [
        record.message
        for record in caplog.records
        if record.levelno >= logging.WARNING and "restored" in record.message
    ]


def test_a_charger_that_is_busy_is_restored_a_little_later() -> None:
    """A busy charger is not taken for one that refuses."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(STOP)
        power_cycle(rig)
        rig.link.faults.append(Fault.BUSY)
        await rig.poll()
        await rig.poll()
        assert rig.charger.settings.start_stop is StartStop.STOP
        assert not rig.controller.reconciler.refuses_start_stop

    run(main())


def test_a_register_that_stays_busy_holds_nothing_up() -> None:
    """The rest is restored and kept alive, commands work, and it comes last."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        await rig.controller.set(STOP)
        rig.link.lasting_faults[Setting.START_STOP] = Fault.BUSY
        power_cycle(rig)
        await rig.poll()
        assert rig.charger.settings.current_limit == 10.5
        count = len(rig.charger.writes)
        await rig.run_for(200)
        writes = writes_since(rig, count)
        assert writes.count((Setting.CURRENT_LIMIT, 10.5)) >= 3
        assert rig.controller.keep_alive.is_running
        await rig.controller.set(Settings(current_limit=0.0))
        assert rig.charger.settings.current_limit == 0
        rig.link.lasting_faults.clear()
        await rig.run_for(61)  # The longest time between two attempts.
        assert rig.charger.settings.start_stop is StartStop.STOP
        count = len(rig.charger.writes)
        await rig.poll()
        assert writes_since(rig, count) == []

    run(main())


def test_stop_that_is_ignored_on_restoring() -> None:
    """It counts as refused until it is restored, and is reported only then."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(STOP)
        rig.link.lasting_faults[Setting.START_STOP] = Fault.IGNORED
        power_cycle(rig)
        await rig.poll()
        assert rig.controller.reconciler.refuses_start_stop
        assert rig.notifier.events == []
        rig.link.lasting_faults.clear()
        power_cycle(rig)
        await rig.poll()
        assert rig.charger.settings.start_stop is StartStop.STOP
        assert rig.notifier.events == [("restored", [Setting.START_STOP])]
        assert not rig.controller.reconciler.refuses_start_stop

    run(main())


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.REFUSED])
def test_no_start_without_its_limit(
    caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """A paused vehicle does not charge before the pause is restored."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(Settings(current_limit=0.0))
        await rig.controller.set(START)
        power_cycle(rig, start_stop=StartStop.STOP)
        rig.link.lasting_faults[Setting.CURRENT_LIMIT] = fault
        count = len(rig.charger.writes)
        await rig.run_for(30)
        assert writes_since(rig, count) == []
        assert len(warnings(caplog)) == (fault is Fault.REFUSED)
        rig.link.lasting_faults.clear()
        await rig.run_for(61)
        writes = [setting for setting, _ in writes_since(rig, count)]
        assert writes[0] is Setting.CURRENT_LIMIT
        assert rig.charger.settings.current_limit == 0
        assert rig.charger.settings.start_stop is StartStop.START

    run(main())


def test_a_busy_limit_is_tried_again_soon() -> None:
    """It does not wait for the next poll."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        power_cycle(rig)
        rig.link.faults.append(Fault.BUSY)
        await rig.poll()
        await asyncio.sleep(0.2)
        assert rig.charger.settings.current_limit == 10.5

    run(main())


def test_a_refused_limit_is_tried_again_soon() -> None:
    """The keep-alive tries it every five seconds, and not all the time."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        power_cycle(rig)
        attempts = [Fault.REFUSED] * 100
        rig.link.faults += attempts
        await rig.poll()
        await asyncio.sleep(21)
        assert 4 <= 100 - len(rig.link.faults) <= 6

    run(main())


def test_no_shorter_timeout_without_the_limit() -> None:
    """The fallback would engage at once."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        await rig.controller.set(Settings(fallback_timeout=60))
        count = len(rig.charger.writes)
        rig.charger.settings = rig.charger.settings.with_value(
            Setting.FALLBACK_TIMEOUT, 300
        )
        rig.link.cut()
        rig.link.lasting_faults[Setting.CURRENT_LIMIT] = Fault.BUSY
        await rig.poll()
        await rig.poll()
        assert writes_since(rig, count) == []
        rig.link.lasting_faults.clear()
        await rig.run_for(61)
        order = [setting for setting, _ in writes_since(rig, count)]
        assert order.index(Setting.CURRENT_LIMIT) < order.index(
            Setting.FALLBACK_TIMEOUT
        )
        assert rig.charger.settings.fallback_timeout == 60

    run(main())


def test_no_other_phases_without_the_limit() -> None:
    """The phases are not switched at more than 6 A."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        await rig.controller.set(SINGLE)
        await asyncio.sleep(6)
        rig.state.phases.budget.switches.clear()
        # Somebody else's switch is not counted while nobody looks.
        rig.state.phases.seen = None
        power_cycle(rig)
        count = len(rig.charger.writes)
        rig.link.lasting_faults[Setting.CURRENT_LIMIT] = Fault.BUSY
        await rig.poll()
        assert writes_since(rig, count) == []
        rig.link.lasting_faults.clear()
        await rig.run_for(61)
        writes = writes_since(rig, count)
        switch = writes.index((Setting.PHASE_MODE, PhaseMode.SINGLE_PHASE))
        assert set(writes[:switch]) == {(Setting.CURRENT_LIMIT, 6.0)}
        assert rig.charger.settings.current_limit == 10.5

    run(main())


def test_only_what_is_left_is_tried_again() -> None:
    """What was accepted belongs to whoever changes it next."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(START)
        await rig.controller.set(FALLBACK_LIMIT)
        power_cycle(rig)
        rig.link.lasting_faults[Setting.FALLBACK_LIMIT] = Fault.BUSY
        await rig.poll()
        rig.charger.settings = rig.charger.settings.with_value(
            Setting.START_STOP, StartStop.STOP
        )
        count = len(rig.charger.writes)
        await rig.run_for(61)
        assert writes_since(rig, count) == []
        # A command replaces what is left, and is not preceded by it.
        rig.link.lasting_faults.clear()
        await rig.controller.set(Settings(fallback_limit=10.0))
        await rig.run_for(61)
        assert {*writes_since(rig, count)} == {(Setting.FALLBACK_LIMIT, 10.0)}
        assert rig.charger.settings.start_stop is StartStop.STOP

    run(main())


def test_what_is_left_of_a_session_goes_with_it() -> None:
    """START is not tried again for the next vehicle."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(LIMIT)
        await rig.controller.set(START)
        power_cycle(rig, start_stop=StartStop.STOP)
        rig.link.lasting_faults[Setting.START_STOP] = Fault.BUSY
        await rig.poll()
        rig.charger.unplug()
        await rig.poll()
        rig.link.lasting_faults.clear()
        count = len(rig.charger.writes)
        await rig.run_for(100)
        assert Setting.START_STOP not in dict(writes_since(rig, count))

    run(main())


def test_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Neither events nor warnings repeat with each attempt."""

    async def main() -> None:
        rig = Rig()
        for wanted in (LIMIT, FALLBACK_LIMIT, STOP):
            await rig.controller.set(wanted)
        rig.link.lasting_faults = {
            Setting.CURRENT_LIMIT: Fault.REDUCED,
            Setting.FALLBACK_LIMIT: Fault.BUSY,
            Setting.START_STOP: Fault.REFUSED,
        }
        power_cycle(rig)
        await rig.run_for(100)
        assert rig.notifier.events == [("restored", [Setting.CURRENT_LIMIT])]
        assert len(warnings(caplog)) == 1

    run(main())


def test_refused_is_shown_while_it_lasts() -> None:
    """A START that was ignored is of no concern once its session is over."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(START)
        rig.link.lasting_faults[Setting.START_STOP] = Fault.IGNORED
        power_cycle(rig, start_stop=StartStop.STOP)
        await rig.poll()
        assert rig.controller.reconciler.refuses_start_stop
        await rig.poll()
        assert rig.controller.reconciler.refuses_start_stop
        rig.charger.unplug()
        await rig.poll()
        assert rig.desired == Settings()
        assert not rig.controller.reconciler.refuses_start_stop

    run(main())


def test_refused_is_not_shown_for_what_is_late() -> None:
    """A STOP that reads late was obeyed all the same."""

    async def main() -> None:
        rig = Rig(confirm_for=1.0)
        await rig.controller.set(STOP)
        power_cycle(rig)
        rig.link.faults.append(Fault.LATE)
        await rig.poll()
        assert rig.controller.reconciler.refuses_start_stop
        await asyncio.sleep(2)
        await rig.poll()
        assert not rig.controller.reconciler.refuses_start_stop

    run(main())


def test_no_start_for_a_car_that_has_gone() -> None:
    """Also when it leaves while the phases before it take their time."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(START)
        await rig.controller.set(SINGLE)
        await asyncio.sleep(6)
        rig.state.phases.budget.switches.clear()
        rig.state.phases.seen = None
        power_cycle(rig, start_stop=StartStop.STOP)
        rig.link.faults.append(Fault.LATE)
        count = len(rig.charger.writes)
        restoring = asyncio.create_task(rig.poll())
        await asyncio.sleep(1)
        assert writes_since(rig, count) == [
            (Setting.PHASE_MODE, PhaseMode.SINGLE_PHASE)
        ]
        rig.charger.unplug()
        await rig.poll()
        assert rig.desired.start_stop is None
        assert not restoring.done()
        await restoring
        assert Setting.START_STOP not in dict(writes_since(rig, count))

    run(main())


def test_what_is_pending_ends_when_it_is_no_longer_requested() -> None:
    """Nothing is pending for a session that ended."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(STOP)
        rig.link.lasting_faults[Setting.START_STOP] = Fault.BUSY
        power_cycle(rig)
        await rig.run_for(20)
        assert rig.controller.reconciler.state.value == "pending"
        rig.charger.unplug()
        await rig.run_for(120)
        assert rig.controller.reconciler.state.value == "synced"

    run(main())


@pytest.mark.parametrize(
    ("fault", "given_up_after"),
    [(Fault.IGNORED, 3), (Fault.REFUSED, 3), (Fault.BUSY, None)],
)
def test_attempts_to_restore_the_phases(
    fault: Fault, given_up_after: int | None
) -> None:
    """Three that are not confirmed, ten minutes apart; a busy charger costs none."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        await rig.controller.set(SINGLE)
        power_cycle(rig)
        rig.link.lasting_faults[Setting.PHASE_MODE] = fault
        await rig.run_for(3600 + 30)
        # The loss and the command are the two switches of the hour.
        failures = rig.state.phases.failures
        assert failures == (0 if given_up_after is None else 1)
        assert rig.state.phases.is_held
        await rig.run_for(540)
        assert rig.state.phases.failures == failures
        await rig.run_for(4 * 3600)
        assert rig.state.phases.is_given_up is (given_up_after is not None)
        if given_up_after is not None:
            assert rig.state.phases.failures == given_up_after
            assert rig.charger.settings.current_limit == LIMIT.current_limit
            # A definite refusal is no switch.
            left = rig.state.phases.budget.left(rig.wall())
            assert left == (2 if fault is Fault.REFUSED else left)

    run(main())


def test_a_connection_lost_while_the_phases_are_restored_is_no_failure() -> None:
    """What became of the attempt is not known."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        await rig.controller.set(SINGLE)
        power_cycle(rig)
        await rig.poll()
        rig.link.lasting_faults[Setting.PHASE_MODE] = Fault.NEVER_SENT
        await rig.run_for(3600)
        assert rig.state.phases.failures == 0
        assert rig.state.phases.is_held

    run(main())
