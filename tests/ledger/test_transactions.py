"""Transactions of a charger that is read over Modbus as well: each is one session."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.nexblue_local.ledger.ledger import Ledger
from custom_components.nexblue_local.ledger.recorder import Recorder
from custom_components.nexblue_local.ledger.session import EndReason, Session

from .charger import Bench

HOUR = 3600.0
KW = 1000.0


def transaction(
    number: int,
    start: datetime,
    end: datetime | None = None,
    energy_wh: float = 0.0,
    tag: str = "Blue card",
) -> Session:
    """Return a transaction as the central system reports it."""
    return Session(
        charger_id="A",
        start=start,
        end=end,
        energy_wh=energy_wh,
        tag=tag,
        transaction_id=number,
        end_reason=None if end is None else EndReason.LOCAL,
    )


def test_two_in_one_session() -> None:
    """The second one divides what is a single session to the counters."""
    bench = Bench()
    bench.plug_in()
    bench.run(60)
    for number, card in ((7, "Blue card"), (8, "Red card")):
        start = bench.now
        bench.recorder.begin_transaction(transaction(number, start, tag=card))
        bench.power = 11 * KW
        bench.run(HOUR)
        bench.power = 0.0
        bench.run(60)
        bench.recorder.end_transaction(
            transaction(number, start, bench.now, 11_000, card)
        )
    bench.unplug()
    bench.run(60)
    first, second = bench.ledger.sessions()
    assert [(each.transaction_id, each.tag) for each in (first, second)] == [
        (7, "Blue card"),
        (8, "Red card"),
    ]
    assert first.energy_wh == pytest.approx(11_000, abs=1)
    assert bench.total == bench.counted
    assert second.end_reason is EndReason.LOCAL


def test_seen_at_the_end_only() -> None:
    """It began before the vehicle was seen."""
    bench = Bench()
    start = bench.now
    bench.recorder.begin_transaction(transaction(7, start))
    bench.plug_in(11 * KW)
    bench.run(HOUR)
    bench.recorder.end_transaction(transaction(7, start, bench.now, 11_000))
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.transaction_id == 7
    assert bench.total == bench.counted


@pytest.mark.parametrize("is_restarted", [False, True])
def test_goes_on(is_restarted: bool) -> None:
    """A restart in the middle changes nothing."""
    bench = Bench()
    bench.plug_in(11 * KW)
    bench.run(60)
    start = bench.now
    bench.recorder.begin_transaction(transaction(7, start))
    bench.run(HOUR)
    if is_restarted:
        bench.restart()
    bench.run(HOUR)
    bench.recorder.end_transaction(transaction(7, start, bench.now, 22_000))
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert (session.transaction_id, session.tag) == (7, "Blue card")
    assert bench.total == bench.counted


def test_before_the_counters_are_read() -> None:
    """It is a session at once, and no second one when the charger is read again."""
    bench = Bench()
    bench.pass_time(HOUR)
    start = bench.now
    bench.plug_in(11 * KW)
    bench.pass_time(HOUR)
    bench.recorder.end_transaction(transaction(7, start, bench.now, 11_000))
    assert bench.total == 11_000
    bench.run(300)
    bench.unplug()
    bench.run(60)
    [session] = bench.ledger.sessions()
    assert session.transaction_id == 7
    assert bench.total == bench.counted


def test_reported_late() -> None:
    """Two that were held back share what the counters have as one session."""
    bench = Bench()
    bench.plug_in(11 * KW)
    start = bench.now
    bench.run(2 * HOUR)
    middle, end = start + timedelta(hours=1), bench.now
    bench.recorder.end_transaction(transaction(7, start, middle, 11_000))
    bench.recorder.end_transaction(transaction(8, middle, end, 11_000, "Red card"))
    bench.unplug()
    bench.run(60)
    numbers = {each.transaction_id: each for each in bench.ledger.sessions()}
    assert set(numbers) == {7, 8}
    assert numbers[8].tag == "Red card"
    assert numbers[8].energy_wh == 11_000
    assert bench.total == pytest.approx(bench.counted)


def test_without_counters() -> None:
    """Where nothing else counts, the transaction is the session; its number names it."""
    bench = Bench()
    bench.recorder.end_transaction(
        transaction(7, bench.now, bench.now + timedelta(hours=1), 11_000)
    )
    again = transaction(7, bench.now, bench.now + timedelta(hours=1), 11_000)
    bench.recorder.end_transaction(again)
    [session] = bench.ledger.sessions()
    assert session == again


def test_of_two_connectors() -> None:
    """Without counters, transactions at the same time keep their energies."""
    ledger = Ledger()
    recorder = Recorder("A", ledger)
    start = datetime(2026, 6, 1, 12, tzinfo=UTC)
    end = start + timedelta(hours=2)
    inner = transaction(8, start + timedelta(minutes=20), end, 7_000)
    outer = transaction(7, start, end, 11_000)
    for each in (inner, outer, inner):
        recorder.end_transaction(each)
    assert ledger.sessions() == [outer, inner]
    assert recorder.last_ended == inner
