"""Test restoring the desired state in virtual time."""

import asyncio
from datetime import timedelta

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.link import Refused
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
)
from tests.control.fakes import Fault, Rig
from tests.control.virtual_time import run

LIMIT = Settings(current_limit=10.5)
SINGLE = Settings(phase_mode=PhaseMode.SINGLE_PHASE)
START = Settings(start_stop=StartStop.START)
STOP = Settings(start_stop=StartStop.STOP)


def power_cycle(rig: Rig, **settings: Value) -> None:
    """Have the charger lose its settings, and the link its connection."""
    rig.charger.power_cycle()
    for name, value in settings.items():
        setting = Setting(name)
        rig.charger.settings = rig.charger.settings.with_value(setting, value)
    rig.link.cut()


def writes_since(rig: Rig, count: int) -> list[tuple[Setting, Value]]:
    """Return the executed writes after the first ones."""
    return [(setting, value) for _, setting, value in rig.charger.writes[count:]]


async def awaits_phases(rig: Rig) -> None:
    """Have the phase mode lost, and a budget that allows to restore it."""
    await rig.controller.set(LIMIT)
    await rig.controller.set(SINGLE)
    power_cycle(rig)
    await rig.poll()
    assert rig.state.phases.is_awaited
    assert rig.charger.settings.current_limit == 6.0
    rig.state.phases.budget.switches.clear()


def test_restoring_keeps_to_its_connection() -> None:
    """What was planned for one connection is not written over another."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        power_cycle(rig)
        count = len(rig.charger.writes)
        rig.link.faults.append(Fault.NEVER_SENT)
        await rig.poll()
        assert writes_since(rig, count) == []
        await rig.poll()
        assert writes_since(rig, count) == [(Setting.CURRENT_LIMIT, 10.5)]

    run(main())


def test_restoring_the_phases_keeps_to_its_connection() -> None:
    """A connection that is replaced while the switch is being saved gets no write."""

    async def main() -> None:
        rig = Rig()
        await awaits_phases(rig)
        count = len(rig.charger.writes)
        rig.save_takes = 1.0
        restoring = asyncio.create_task(rig.poll())
        await asyncio.sleep(0.5)
        rig.link.cut()
        await rig.link.connect()
        await restoring
        assert writes_since(rig, count) == [(Setting.CURRENT_LIMIT, 6.0)]
        assert rig.state.phases.is_held

    run(main())


@pytest.mark.parametrize("restart", [False, True])
def test_start_is_not_restored_in_another_session(restart: bool) -> None:
    """START belongs to its session; one lower energy is enough after a reconnect."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(START)
        rig.charger.session_energy = 4.0
        await rig.poll()
        if restart:
            rig.kill()
        rig.charger.plug_in()
        power_cycle(rig, start_stop=StartStop.STOP)
        if restart:
            rig.start()
        count = len(rig.charger.writes)
        # A command reconnects and restores before it is written.
        await rig.controller.set(Settings(fallback_limit=8.0))
        assert writes_since(rig, count) == [(Setting.FALLBACK_LIMIT, 8.0)]
        assert rig.desired == Settings(fallback_limit=8.0)
        assert rig.stored is not None
        assert rig.stored["desired"] == {"fallback_limit": 8.0}

    run(main())


def test_stop_is_kept_after_an_end_that_is_inferred() -> None:
    """A misread of the energy must not start a vehicle that was stopped."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        rig.charger.session_energy = 4.0
        await rig.poll()
        await rig.controller.set(STOP)
        rig.charger.session_energy = 0.0
        power_cycle(rig)
        await rig.poll()
        assert rig.charger.settings.start_stop is StartStop.STOP
        assert rig.desired == STOP

    run(main())


@pytest.mark.parametrize("command", [START, STOP])
def test_start_and_stop_end_with_their_session(command: Settings) -> None:
    """Neither is restored for the next vehicle once the first was seen to leave."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        await rig.controller.set(command)
        assert rig.desired == command
        rig.charger.unplug()
        await rig.poll()
        assert rig.desired == Settings()
        assert rig.stored is not None
        assert rig.stored["desired"] == {}
        count = len(rig.charger.writes)
        power_cycle(rig)
        rig.charger.plug_in()
        await rig.poll()
        assert writes_since(rig, count) == []

    run(main())


@pytest.mark.parametrize("refused", [0, 1, 3])
def test_a_stop_after_a_session_that_was_not_seen_to_end(refused: int) -> None:
    """It is for the next vehicle, so the end of the session does not drop it."""

    async def main() -> None:
        rig = Rig()
        rig.charger.plug_in()
        await rig.poll()
        rig.charger.unplug()
        rig.link.read_errors += [Refused("refused", "exception code 4")] * refused
        await rig.controller.set(STOP)
        assert not rig.link.read_errors
        await rig.poll()
        power_cycle(rig)
        await rig.poll()
        assert rig.charger.settings.start_stop is StartStop.STOP

    run(main())


def test_phases_that_are_ignored_hold_the_limit() -> None:
    """A phase mode that is acknowledged without effect does not lift the limit."""

    async def main() -> None:
        rig = Rig()
        await awaits_phases(rig)
        rig.notifier.events.clear()
        rig.link.lasting_faults[Setting.PHASE_MODE] = Fault.IGNORED
        rig.link.cut()
        await rig.poll()
        assert rig.charger.settings.current_limit == 6.0
        assert rig.state.phases.is_awaited
        assert [name for name, _ in rig.notifier.events] == ["warn"]

    run(main())


def test_refused_phases_hold_the_limit() -> None:
    """A phase mode that cannot be restored leaves 6 A at the most.

    The attempt costs no switch.
    """

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(LIMIT)
        await rig.controller.set(SINGLE)
        await asyncio.sleep(6)
        # Somebody else's switch is not counted while nobody looks.
        rig.state.phases.seen = None
        rig.state.phases.budget.switches.clear()
        power_cycle(rig, phase_mode=PhaseMode.THREE_PHASE)
        rig.link.lasting_faults[Setting.PHASE_MODE] = Fault.REFUSED
        await rig.poll()
        assert rig.charger.settings.phase_mode is PhaseMode.THREE_PHASE
        assert rig.charger.settings.current_limit == 6.0
        assert rig.desired.current_limit == 10.5
        assert rig.state.phases.budget.switches == []
        assert rig.stored is not None
        assert rig.stored["budget"]["switches"] == []

    run(main())


def test_a_fallback_limit_near_the_default_is_restored() -> None:
    """What a charger has after a power cut is its default, not a limit that it rounded."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(Settings(fallback_limit=7.0))
        power_cycle(rig)
        assert rig.charger.settings.fallback_limit == 6.0
        await rig.poll()
        assert rig.charger.settings.fallback_limit == 7.0

    run(main())


def test_a_phase_mode_that_was_not_written_costs_no_switch() -> None:
    """A connection that is lost before its turn does not spend the budget."""

    async def main() -> None:
        rig = Rig()
        await rig.controller.set(Settings(fallback_limit=8.0))
        await awaits_phases(rig)
        power_cycle(rig)
        rig.link.faults.append(Fault.NEVER_SENT)  # The fallback limit.
        await rig.poll()
        assert rig.state.phases.is_awaited
        assert rig.state.phases.budget.switches == []
        await rig.poll()
        assert rig.charger.settings.phase_mode is PhaseMode.SINGLE_PHASE
        assert rig.charger.settings.current_limit == 10.5

    run(main())


def test_a_phase_mode_that_settles_counts_once() -> None:
    """The old value that is still read after restoring is nobody's switch back."""

    async def main() -> None:
        rig = Rig()
        await awaits_phases(rig)
        rig.link.faults += [None, Fault.LATE]  # The limit, then the phase mode.
        restoring = asyncio.create_task(rig.poll())
        await asyncio.sleep(1)
        assert rig.charger.settings.phase_mode is PhaseMode.SINGLE_PHASE
        await rig.poll()
        assert rig.link.settings.phase_mode == "adaptive"
        await restoring
        await rig.poll()
        assert rig.link.settings.phase_mode is PhaseMode.SINGLE_PHASE
        assert len(rig.state.phases.budget.switches) == 1

    run(main())


def test_the_safest_comes_before_the_keep_alive() -> None:
    """STOP and the held limit are written before a limit that is due.

    Also while the effect of a command before the outage is not known.
    """

    async def main() -> None:
        rig = Rig()
        for wanted in (LIMIT, SINGLE, STOP):
            await rig.controller.set(wanted)
        command = asyncio.create_task(rig.controller.set(Settings(fallback_limit=8.0)))
        await asyncio.sleep(0.005)
        rig.link.is_up = False
        with pytest.raises(CommandFailed) as raised:
            await command
        assert raised.value.key == "perhaps_executed"
        await asyncio.sleep(300)
        power_cycle(rig)
        count = len(rig.charger.writes)
        rig.link.is_up = True
        await rig.poll()
        assert writes_since(rig, count)[:2] == [
            (Setting.START_STOP, StartStop.STOP),
            (Setting.CURRENT_LIMIT, 6.0),
        ]

    run(main())


@pytest.mark.parametrize("first", ["poll", "command", "keep-alive", "slow command"])
def test_a_lease_that_ran_out_is_not_restored(first: str) -> None:
    """Whoever reconnects first writes the safe limit.

    Also if the limit expires while its settings are being read.
    """

    async def main() -> None:
        rig = Rig()
        valid_for = timedelta(minutes=3)
        lease = Lease(rig.wall() + valid_for, valid_for, 7.0)
        await rig.controller.set(Settings(current_limit=16.0), lease)
        count = len(rig.charger.writes)
        rig.link.is_up = False
        power_cycle(rig)
        if first == "slow command":
            await asyncio.sleep(178)
            rig.link.latency = 2.0
        else:
            await asyncio.sleep(182)
        rig.link.is_up = True
        if first == "poll":
            await rig.poll()
        elif first == "keep-alive":
            await asyncio.sleep(6)
        else:
            await rig.controller.set(Settings(fallback_limit=8.0))
        limits = {v for s, v in writes_since(rig, count) if s is Setting.CURRENT_LIMIT}
        assert limits == {7.0}

    run(main())
