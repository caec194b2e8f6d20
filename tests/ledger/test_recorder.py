"""Sessions are told from what is read, whatever happens between two reads."""

from dataclasses import replace
from datetime import timedelta
import json
from typing import Any

import pytest

from custom_components.nexblue_local.ledger.counters import Counters
from custom_components.nexblue_local.ledger.ledger import Ledger
from custom_components.nexblue_local.ledger.recorder import Recorder
from custom_components.nexblue_local.ledger.session import EndReason
from custom_components.nexblue_local.ledger.sources import Mix

from .charger import POLL, Bench

HOUR = 3600.0
KW = 1000.0


def test_a_session() -> None:
    """It lasts from plugging in to unplugging, with all that was charged."""
    bench = Bench()
    bench.plug_in()
    bench.run(HOUR)
    bench.power = 11 * KW
    bench.run(HOUR)
    bench.power = 4 * KW
    bench.run(HOUR)
    assert bench.recorder.is_open
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert [session] == bench.ended
    assert session.energy_wh == bench.counted == pytest.approx(15_000, abs=1)
    [truth] = bench.truths
    poll = timedelta(seconds=10)
    assert truth.end is not None
    assert session.end is not None
    assert session.start - truth.start == session.end - truth.end == poll
    assert session.peak_w == 11 * KW
    assert session.end_reason is EndReason.UNPLUGGED
    assert not session.is_reconstructed
    assert session.solar_wh is None
    assert session.cost is None


@pytest.mark.parametrize("resets_late", [False, True])
def test_replugged(resets_late: bool) -> None:
    """Unplug and replug are two sessions, however early the energy is reset."""
    bench = Bench(resets_late=resets_late)
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.unplug()
    bench.run(10)
    bench.plug_in()
    bench.run(HOUR)
    bench.power = 7 * KW
    bench.run(HOUR)
    bench.unplug()
    bench.run(60)
    sessions = bench.ledger.sessions()
    energies = [each.energy_wh for each in sessions]
    assert energies == pytest.approx([11_000, 7_000], abs=1)
    # It begins with the read that shows the vehicle, whatever was charged before.
    assert sessions[0].start - bench.truths[0].start == timedelta(seconds=POLL)
    assert sum(energies) == bench.counted
    assert not any(each.is_reconstructed for each in bench.ended)


def test_replugged_between_two_reads() -> None:
    """The end of one and the start of the other follow from the counters."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.unplug()
    bench.plug_in(4 * KW)
    bench.run(HOUR)
    bench.unplug()
    bench.run(60)
    sessions = bench.ledger.sessions()
    assert [each.is_reconstructed for each in sessions] == [True, True]
    energies = [each.energy_wh for each in sessions]
    assert energies == pytest.approx([11_000, 4_000], abs=2)
    assert bench.total == bench.counted


def test_outage() -> None:
    """Neither an outage nor a restart ends a session."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    killed = bench.stored()
    bench.run(50)
    bench.pass_time(5 * HOUR)
    bench.restart(killed)
    bench.run(HOUR)
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.energy_wh == bench.counted == pytest.approx(77_153, abs=1)
    assert not session.is_reconstructed


def test_power_cut() -> None:
    """A charger that is switched on knows neither its energies nor its vehicle."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.pass_time(600)
    whole = bench.reading()
    empty = replace(whole, power_w=0.0, session_wh=0.0, has_vehicle=False)
    assert not bench.recorder.observe(empty)
    for change in ({"has_vehicle": None}, {"has_vehicle": False}, {"session_wh": 0.0}):
        bench.now += timedelta(seconds=10)
        blank = replace(whole, at=bench.now, lifetime_wh=0, power_w=0.0, **change)
        assert not bench.recorder.observe(blank)
    bench.run(HOUR)
    [session] = bench.ledger.sessions()
    assert session.end is None
    assert session.energy_wh == bench.counted


@pytest.mark.parametrize(("reads", "every"), [(3, 10.0), (2, 60.0)])
def test_wrong_for_a_while(reads: int, every: float) -> None:
    """What is surprising is believed after some reads and some time, not just one."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(600)
    for _ in range(reads):
        bench.pass_time(every)
        wrong = replace(
            bench.reading(), has_vehicle=False, lifetime_wh=0.0, session_wh=0.0
        )
        assert not bench.recorder.observe(wrong)
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.end is None
    assert session.energy_wh == bench.counted


def test_slow_reads() -> None:
    """What stays the same is believed, also with one read a minute."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(600)
    bench.pass_time(HOUR)
    bench.unplug()
    for _ in range(3):
        bench.pass_time(60)
        bench.read()
    assert len(bench.ended) == 1


def test_counters_that_are_late() -> None:
    """What they show after the end is energy of the session that ended."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(600)
    before = bench.reading()
    bench.pass_time(10)
    bench.unplug()
    late = replace(
        bench.reading(), lifetime_wh=before.lifetime_wh, session_wh=before.session_wh
    )
    bench.read(late)
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.energy_wh == bench.counted
    assert bench.recorder.last_ended == session


def test_counters_with_steps() -> None:
    """A difference of a step between both counters is no session."""
    bench = Bench()
    for _ in range(2):
        bench.plug_in(11 * KW)
        bench.pass_time(60)
        bench.read(replace(bench.reading(), session_wh=100.0))
        assert bench.recorder.is_open
        bench.run(600)
        bench.unplug()
        bench.run(60)
    assert len(bench.ledger.sessions()) == 2
    assert bench.total == bench.counted


def test_energy_that_is_reset_at_the_end() -> None:
    """Without an origin, what was charged while away is a session of its own."""
    bench = Bench()
    for power in (11 * KW, 4 * KW):
        bench.plug_in(power)
        bench.pass_time(HOUR)
        bench.unplug()
        bench.session = 0.0
        bench.run(60)
        bench.pass_time(600)
    energies = [each.energy_wh for each in bench.ledger.sessions()]
    assert energies == pytest.approx([11_000, 4_000], abs=1)
    assert bench.total == bench.counted


def test_ended_while_away() -> None:
    """The end follows from the energy and the power."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.pass_time(HOUR)
    bench.unplug()
    bench.pass_time(5 * HOUR)
    bench.restart()
    bench.run(60)
    [session] = bench.ended
    assert session.energy_wh == bench.counted == pytest.approx(22_000, abs=1)
    assert session.is_reconstructed
    assert session.end is not None
    duration = session.end - session.start
    assert duration.total_seconds() == pytest.approx(2 * HOUR, abs=20)


def test_another_one_is_there() -> None:
    """Of two sessions with a border while away, each has its energy."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.pass_time(HOUR)
    bench.unplug()
    bench.pass_time(HOUR)
    bench.plug_in(4 * KW)
    bench.pass_time(HOUR)
    bench.run(HOUR)
    first, second = bench.ledger.sessions()
    assert bench.ended == [first]
    assert first.energy_wh == pytest.approx(22_000, abs=2)
    assert second.energy_wh == pytest.approx(8_000, abs=2)
    assert bench.total == bench.counted
    assert first.is_reconstructed
    assert second.is_reconstructed
    between = second.start - first.start
    assert between.total_seconds() == pytest.approx(3 * HOUR, abs=20)


@pytest.mark.parametrize("has_followed", [False, True])
def test_began_and_ended_while_away(has_followed: bool) -> None:
    """A session that was never seen is there, also if another one is."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.unplug()
    bench.run(600)
    bench.pass_time(HOUR)
    bench.plug_in(4 * KW)
    bench.pass_time(HOUR)
    bench.unplug()
    if has_followed:
        bench.plug_in(7 * KW)
        bench.pass_time(HOUR)
    bench.restart()
    bench.run(60)
    seen, unseen, *others = bench.ledger.sessions()
    assert not seen.is_reconstructed
    assert unseen.is_reconstructed
    assert unseen.end is not None
    assert unseen.energy_wh == pytest.approx(4_000, abs=2)
    assert [each.energy_wh for each in others] == (
        pytest.approx([7_117], abs=2) if has_followed else []
    )
    assert bench.total == bench.counted
    assert bench.ended == [seen, unseen]


def test_two_that_began_and_ended_while_away() -> None:
    """The last one has what the charger still shows, the others the rest."""
    bench = Bench()
    for power in (3 * KW, 5 * KW):
        bench.pass_time(HOUR)
        bench.plug_in(power)
        bench.pass_time(HOUR)
        bench.unplug()
    bench.run(60)
    energies = [each.energy_wh for each in bench.ledger.sessions()]
    assert energies == pytest.approx([3_000, 5_000], abs=2)
    assert bench.total == bench.counted
    assert all(each.is_reconstructed for each in bench.ended)


def test_one_is_running_at_first() -> None:
    """Of a session that was running before the first read, its energy is known."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.pass_time(HOUR)
    bench.ledger = Ledger()
    bench.recorder = Recorder("A", bench.ledger)
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.energy_wh == pytest.approx(11_183, abs=1)
    assert session.is_reconstructed


def test_counter_that_is_reset() -> None:
    """What is charged while a meter is replaced is told by the session's energy."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.lifetime = 0.0
    bench.run(HOUR)
    bench.lifetime += 10**9
    bench.run(HOUR)
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.energy_wh == pytest.approx(33_000, abs=2)


def test_clock_that_is_set_back() -> None:
    """A session does not end before it starts."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(600)
    bench.now -= timedelta(hours=1)
    bench.run(600)
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.energy_wh == bench.counted
    assert session.end == session.start


def test_clock_that_was_ahead() -> None:
    """A session that ended in the future does not move those that follow."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(600)
    ahead = timedelta(days=700)
    bench.now += ahead
    bench.run(60)
    bench.unplug()
    bench.run(60)
    bench.now -= ahead
    bench.run(60)
    for _ in range(2):
        bench.now += timedelta(hours=12)
        bench.run(60)
        plugged_at = bench.now
        bench.plug_in(11 * KW)
        bench.run(600)
        bench.unplug()
        bench.run(60)
        session = bench.recorder.last_ended
        assert session is not None
        assert timedelta() <= session.start - plugged_at <= timedelta(minutes=1)
        assert session.end is not None
        assert session.end - session.start >= timedelta(minutes=9)


def test_faulted() -> None:
    """A charger that does not tell whether there is a vehicle still has its session."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.pass_time(10)
    bench.recorder.observe(replace(bench.reading(), has_vehicle=None))
    bench.pass_time(10)
    bench.recorder.observe(replace(bench.reading(), lifetime_wh=None))
    assert bench.recorder.is_open
    bench.run(10)
    assert bench.total == bench.counted


@pytest.mark.parametrize(
    "unknown", [{"has_vehicle": None}, {"lifetime_wh": None}, {"session_wh": None}]
)
def test_unknown_when_plugged_in(unknown: dict[str, Any]) -> None:
    """What is charged before the vehicle is known is that of the new session."""
    bench = Bench()
    for _ in range(2):
        bench.plug_in(11 * KW)
        bench.pass_time(60)
        bench.recorder.observe(replace(bench.reading(), **unknown))
        bench.run(600)
        bench.unplug()
        bench.run(60)
    energies = [each.energy_wh for each in bench.ledger.sessions()]
    assert energies == pytest.approx([2017, 2017], abs=1)
    assert sum(energies) == bench.counted


def test_phase_switches() -> None:
    """Only switches between one and three phases count, and only in the session."""
    bench = Bench(is_single_phase=False)
    bench.run(30)
    bench.is_single_phase = True
    bench.plug_in(4 * KW)
    for is_single in (True, False, None, False, True):
        bench.is_single_phase = is_single
        bench.run(30)
    bench.restart()
    bench.is_single_phase = False
    bench.run(30)
    [session] = bench.ledger.sessions()
    assert session.phase_switches == 3


def test_sources() -> None:
    """What is known of the sources adds up to what was charged."""
    bench = Bench()
    bench.plug_in(6 * KW)
    for price in (0.30, 0.20):
        for _ in range(360):
            mix = Mix.of(cars_w=6 * KW, grid_w=1.5 * KW, battery_w=0.75 * KW)
            # The powers are a little less than what is counted.
            bench.recorder.supply(0.99 * 6 * KW / 360, mix, price)
            bench.run(10)
    bench.pass_time(HOUR)
    bench.unplug()
    bench.run(60)
    [session] = bench.ended
    assert session.energy_wh == bench.counted == pytest.approx(18_000, abs=1)
    assert session.solar_wh == pytest.approx(7_500, abs=2)
    assert session.grid_wh == pytest.approx(3_000, abs=2)
    assert session.battery_wh == pytest.approx(1_500, abs=2)
    assert session.cost == pytest.approx(1.5 * 0.30 + 1.5 * 0.20, abs=0.002)


def test_sources_of_an_outage() -> None:
    """Only as much of what was charged unseen is from the sun as is known."""
    bench = Bench()
    bench.plug_in(6 * KW)
    bench.run(60)
    bench.recorder.supply(100.0, Mix(solar=1.0, grid=0.0, battery=0.0), None)
    bench.pass_time(HOUR)
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.solar_wh == pytest.approx(100)


@pytest.mark.parametrize(
    ("grid", "battery", "mix"),
    [
        (-500.0, -300.0, Mix(solar=1.0, grid=0.0, battery=0.0)),
        (3000.0, 500.0, Mix(solar=0.0, grid=1.0, battery=0.0)),
        (500.0, 3000.0, Mix(solar=0.0, grid=0.25, battery=0.75)),
        (500.0, 500.0, Mix(solar=0.5, grid=0.25, battery=0.25)),
    ],
)
def test_mix(grid: float, battery: float, mix: Mix) -> None:
    """What is imported, and what the battery gives, is the cars' first."""
    assert Mix.of(cars_w=2000.0, grid_w=grid, battery_w=battery) == mix


@pytest.mark.parametrize(
    "damage", [{"at": "x"}, {"lifetime_wh": None}, {"session_wh": "1"}, {"power_w": []}]
)
def test_damaged_counters(damage: dict[str, object]) -> None:
    """Without its counters, a recorder begins anew."""
    counters = Bench().recorder.counters
    assert counters is not None
    record = json.loads(json.dumps(counters.as_dict()))
    assert Counters.from_dict(record) == counters
    assert Counters.from_dict(record | damage) is None
    del record["start_wh"]
    assert Counters.from_dict(record) is None


def test_lost_counters() -> None:
    """A session whose counters are lost is told again, with all of its energy."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    other = replace(bench.ledger.sessions()[0], charger_id="B")
    bench.ledger.put(other)
    bench.recorder = Recorder("A", bench.ledger)
    assert bench.ledger.sessions() == [other]
    bench.run(HOUR)
    [session] = bench.ledger.sessions("A")
    assert session.energy_wh == pytest.approx(bench.counted, abs=1)
    assert session.end is None
