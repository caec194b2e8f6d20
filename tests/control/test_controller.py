"""Test commands in virtual time."""

import asyncio
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed, Rejected
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
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


def test_a_command_keeps_to_its_connection() -> None:
    """It is not written over another connection than the one it was checked on."""

    async def main() -> None:
        rig = Rig()
        rig.link.faults.append(Fault.NEVER_SENT)
        with pytest.raises(CommandFailed) as raised:
            await rig.controller.set(LIMIT)
        assert raised.value.key == "not_executed"
        await rig.run_for(200)
        assert rig.charger.writes == []
        assert rig.desired == Settings()

    run(main())


def test_a_switch_keeps_to_its_connection() -> None:
    """A connection that is replaced while the switch is being saved gets no write."""

    async def main() -> None:
        rig = Rig()
        await rig.poll()
        rig.save_takes = 1.0
        command = asyncio.create_task(rig.controller.set(SINGLE))
        await asyncio.sleep(0.5)
        rig.link.cut()
        await rig.link.connect()
        with pytest.raises(CommandFailed) as raised:
            await command
        assert raised.value.key == "not_executed"
        assert rig.charger.writes == []
        assert rig.desired == Settings()

    run(main())


def test_a_shorter_timeout_keeps_to_its_connection() -> None:
    """Neither is the limit that is written before it."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        count = len(rig.charger.writes)
        rig.link.faults.append(Fault.NEVER_SENT)
        with pytest.raises(CommandFailed):
            await rig.controller.set(Settings(fallback_timeout=60))
        assert writes_since(rig, count) == []
        await rig.run_for(200)
        assert rig.charger.settings.fallback_timeout == 300
        assert rig.desired == LIMIT

    run(main())


def test_the_phase_budget_is_saved_before_it_is_spent() -> None:
    """A switch is counted even if Home Assistant is killed in the middle of it."""

    async def main() -> None:
        rig = Rig()
        stored: list[bool] = []
        execute = rig.charger.execute

        def look(setting: Setting, value: Value) -> None:
            if setting is Setting.PHASE_MODE:
                assert rig.stored is not None
                last, _ = rig.stored["budget"]["switches"][-1]
                age = rig.wall() - datetime.fromisoformat(last)
                stored.append(age < timedelta(seconds=1))
            execute(setting, value)

        with patch.object(rig.charger, "execute", look):
            await rig.controller.set(SINGLE)
            assert stored == [True]
            power_cycle(rig)
            await rig.run_for(3610)
        assert stored == [True, True]
        assert rig.charger.settings.phase_mode is PhaseMode.SINGLE_PHASE

    run(main())


def test_a_poll_in_the_middle_of_a_switch() -> None:
    """It sees no other switch than the one that is being made."""

    async def main() -> None:
        rig = Rig()
        await rig.poll()
        rig.link.faults.append(Fault.LATE)
        command = asyncio.create_task(rig.controller.set(SINGLE))
        # One of the polls sees the new mode before the command does.
        while not command.done():
            await rig.poll()
        assert rig.link.settings.phase_mode is PhaseMode.SINGLE_PHASE
        await rig.poll()
        assert len(rig.state.phases.budget.switches) == 1

    run(main())


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault.REFUSED, 2),
        (Fault.BUSY, 2),
        # It may have been made.
        (Fault.NEVER_SENT, 1),
        (Fault.UNANSWERED, 1),
        (Fault.IGNORED, 1),
    ],
)
def test_a_refused_switch_is_given_back(fault: Fault, left: int) -> None:
    """Only a switch that was definitely not made is given back to the budget."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        rig.link.faults.append(fault)
        if fault is Fault.UNANSWERED:
            await rig.controller.set(SINGLE)
        else:
            with pytest.raises(CommandFailed):
                await rig.controller.set(SINGLE)
        budget = rig.state.phases.budget
        assert 2 - len(budget.switches) == left
        assert budget.in_session == 2 - left
        assert rig.stored is not None
        assert rig.stored["budget"] == rig.state.as_dict()["budget"]

    run(main())


def test_what_a_phase_command_notices_is_saved() -> None:
    """A session that is found to be over ends its START, whatever follows."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(START)
        await rig.controller.set(SINGLE)
        rig.charger.unplug()
        with pytest.raises(Rejected) as raised:
            await rig.controller.set(Settings(phase_mode=PhaseMode.THREE_PHASE))
        assert raised.value.key == "phase_budget"
        assert rig.stored is not None
        assert rig.stored["desired"] == {"phase_mode": "single_phase"}

    run(main())


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BUSY])
def test_a_keep_alive_that_is_refused_meanwhile(fault: Fault) -> None:
    """It is not the command that was refused."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        rig.link.faults += [Fault.LATE, *[fault] * 9]
        # The keep-alive is due while the command is read back.
        await asyncio.sleep(59)
        count = len(rig.charger.writes)
        await rig.controller.set(STOP)
        assert len(rig.link.faults) < 9
        assert writes_since(rig, count) == [(Setting.START_STOP, StartStop.STOP)]
        assert rig.desired == STOP.over(LIMIT)
        assert not rig.controller.reconciler.refuses_start_stop
        assert rig.controller.keep_alive.is_running

    run(main())
