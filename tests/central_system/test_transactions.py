"""Transactions: numbers, repeats, late messages, restarts, and what the meter says."""

from datetime import timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.nexblue_local.central_system.events import (
    TransactionEnded,
    TransactionStarted,
)
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.central_system.transactions import (
    MAX_OPEN,
    Transaction,
    Transactions,
)
from custom_components.nexblue_local.ledger.session import EndReason

from .fakes import CARD, ID, START, Charger, Home, settled, shown


async def test_numbers(home: Home, charger: Charger) -> None:
    """None is given twice, and each is stored before it is known to the charger."""
    numbers = []
    for meter in range(3):
        home.may_write.clear()
        charger.request("StartTransaction", connectorId=1, idTag=CARD, meterStart=meter)
        await settled()
        assert not charger.unread
        home.may_write.set()
        numbers.append((await charger.receive())[2]["transactionId"])
        assert home.disk["transaction_number"] == numbers[-1]
    assert len(set(numbers)) == 3
    # The storage is lost.
    home.disk.clear()
    home.time += timedelta(minutes=5)
    central = home.central_system()
    await central.adopt(ID, ID)
    async with Charger(central) as again:
        assert (await again.start())["transactionId"] > max(numbers)


@pytest.mark.parametrize(
    "changes",
    [
        {"connectorId": 2},
        {"idTag": "OTHER"},
        {"meterStart": 8},
        {"timestamp": shown(START + timedelta(seconds=1))},
    ],
)
async def test_repeats(charger: Charger, changes: dict[str, Any]) -> None:
    """The same message gets the same answer, a different one another number."""
    start = {
        "connectorId": 1,
        "idTag": CARD,
        "meterStart": 7,
        "timestamp": shown(START),
    }
    first = await charger.call("StartTransaction", **start)
    assert await charger.call("StartTransaction", **start) == first
    async with Charger(charger.central) as again:
        assert await again.call("StartTransaction", **start) == first
        other = await again.call("StartTransaction", **start | changes)
        assert other["transactionId"] != first["transactionId"]
        await again.stop(first["transactionId"], 9)
        assert await again.call("StartTransaction", **start) == first


async def test_repeats_without_a_clock(charger: Charger) -> None:
    """Two transactions of a charger without a clock may look the same."""
    start = {"timestamp": "1970-01-01T00:00:00Z", "meterStart": 0}
    first = await charger.start(**start)
    assert await charger.start(**start) == first
    await charger.stop(first["transactionId"], 100)
    assert await charger.start(**start) != first


async def test_killed_before_the_answer(home: Home, central: CentralSystem) -> None:
    """Between StartTransaction and its answer: the number is not used again."""
    start = {"meterStart": 1, "timestamp": shown(home.time)}
    async with Charger(central) as charger:
        number = (await charger.start(**start))["transactionId"]
        disk = home.disk
        await charger.start(meterStart=2, connectorId=2)
    home.disk = disk
    async with Charger(home.central_system()) as charger:
        assert (await charger.start(**start))["transactionId"] == number
        assert charger.seen_by_us.state.transaction is not None
        await charger.stop(number, 4)
    assert [each.energy_wh for each in home.ledger.sessions()] == [3]


async def test_restart_in_a_session(home: Home, charger: Charger) -> None:
    """The transaction goes on, with what was counted of it."""
    number = (await charger.start(meterStart=100))["transactionId"]
    values = [{"sampledValue": [{"value": "300"}]}]
    await charger.call("MeterValues", connectorId=1, meterValue=values)
    await charger.central.close()
    central = home.central_system()
    transaction = central.charge_points[ID].state.transaction
    assert transaction is not None
    assert (transaction.number, transaction.tag) == (number, "Blue card")
    assert transaction.energy == 200
    async with Charger(central) as again:
        await again.stop(number, 500)
    assert [each.energy_wh for each in home.ledger.sessions()] == [400]


@pytest.mark.parametrize("what", ["can_record", "can_save"])
async def test_stop_that_could_not_be_stored(
    home: Home, charger: Charger, what: str
) -> None:
    """The transaction stays open until its end is in the ledger."""
    number = (await charger.start())["transactionId"]
    setattr(home, what, False)
    assert await charger.stop(number, 5) == "InternalError"
    if what == "can_record":
        assert charger.seen_by_us.state.transaction is not None
    setattr(home, what, True)
    assert await charger.stop(number, 5) == {}
    assert not home.disk["charge_points"][ID]["transactions"]["open"]
    assert [each.energy_wh for each in home.ledger.sessions()] == [5]


async def test_stop_of_an_unknown_transaction(home: Home, charger: Charger) -> None:
    """It is accepted, and becomes a record of its own."""
    earlier = home.time - timedelta(hours=2)
    await charger.call("StatusNotification", status="Available", timestamp=shown(START))
    data = [
        {"timestamp": shown(earlier), "sampledValue": [{"value": "100"}]},
        {"timestamp": shown(home.time), "sampledValue": [{"value": "350"}]},
    ]
    stop = {"timestamp": shown(home.time), "transactionData": data, "idTag": CARD}
    for _ in range(2):
        assert await charger.stop(4711, 400, **stop) == {}
    [session] = home.ledger.sessions()
    assert (session.start, session.end) == (earlier, home.time)
    assert session.energy_wh == 300
    assert session.transaction_id == 4711
    assert session.is_reconstructed
    # Without a number, and at the same time.
    for meter in (500, 500, 600):
        stop = {"timestamp": shown(home.time)}
        assert await charger.stop(-1, meter, **stop) == {}
    assert len(home.ledger.sessions()) == 3


async def test_stop_without_a_number(home: Home, charger: Charger) -> None:
    """A charger that was not told the number means the one that is open."""
    number = (await charger.start(meterStart=5))["transactionId"]
    for _ in range(2):
        await charger.stop(-1, 8, timestamp=shown(home.time))
    [session] = home.ledger.sessions()
    assert (session.transaction_id, session.energy_wh) == (number, 3)


async def test_stop_that_never_came(home: Home, charger: Charger) -> None:
    """The next transaction ends it; should the stop come after all, it counts."""
    first = (await charger.start(meterStart=0))["transactionId"]
    home.time += timedelta(hours=1)
    values = [{"timestamp": shown(home.time), "sampledValue": [{"value": "900"}]}]
    await charger.call("MeterValues", transactionId=first, meterValue=values)
    ended_at = home.time
    home.time += timedelta(hours=1)
    second = (await charger.start(meterStart=1000))["transactionId"]
    [session] = home.ledger.sessions()
    assert (session.end, session.energy_wh) == (ended_at, 900)
    assert session.is_reconstructed
    assert charger.seen_by_us.state.transaction is not None
    assert charger.seen_by_us.state.transaction.number == second
    await charger.stop(first, 950, timestamp=shown(home.time))
    [session] = home.ledger.sessions()
    assert (session.end, session.energy_wh) == (home.time, 950)
    assert not session.is_reconstructed


async def test_open_transactions_are_bounded(home: Home, charger: Charger) -> None:
    """A charger that never stops any fills neither memory nor disk."""
    for connector in range(MAX_OPEN + 5):
        await charger.start(connectorId=connector, meterStart=connector)
    assert len(home.disk["charge_points"][ID]["transactions"]["open"]) == MAX_OPEN
    assert len(home.ledger.sessions()) == 5


async def test_an_hour_offline(home: Home, charger: Charger) -> None:
    """Late messages keep their times, and are not shown as present values."""
    await charger.call(
        "StatusNotification", connectorId=1, status="Available", timestamp=shown(START)
    )
    await charger.socket.close()
    home.time += timedelta(hours=1)
    begin = START + timedelta(minutes=10)
    end = START + timedelta(minutes=50)
    async with Charger(charger.central) as again:
        await again.call(
            "StatusNotification",
            connectorId=1,
            status="Preparing",
            timestamp=shown(home.time),
        )
        number = (await again.start(meterStart=0, timestamp=shown(begin)))[
            "transactionId"
        ]
        for minute in range(8):
            sampled = [
                {"value": str(100 * minute)},
                {"value": "5000", "measurand": "Power.Active.Import"},
            ]
            at = shown(begin + timedelta(minutes=minute))
            values = [{"timestamp": at, "sampledValue": sampled}]
            await again.call("MeterValues", transactionId=number, meterValue=values)
        await again.call(
            "StatusNotification",
            connectorId=1,
            status="Charging",
            timestamp=shown(begin),
        )
        await again.stop(number, 800, timestamp=shown(end))
        state = again.seen_by_us.state
    assert state.meter_values.power is None
    assert state.status == "preparing"
    [session] = home.ledger.sessions()
    assert (session.start, session.end) == (begin, end)
    assert (session.energy_wh, session.peak_w) == (800, 5000)
    assert all(event.is_late for event in home.seen(TransactionStarted))
    assert all(event.is_late for event in home.seen(TransactionEnded))


async def test_only_old_states_after_an_outage(home: Home, charger: Charger) -> None:
    """Some chargers report when the state began: it is the present one all the same."""
    await charger.call("StatusNotification", status="Charging", timestamp=shown(START))
    home.time += timedelta(hours=1)
    async with Charger(charger.central) as again:
        at = shown(START + timedelta(minutes=5))
        await again.call("StatusNotification", status="Finishing", timestamp=at)
        assert again.seen_by_us.state.status == "finishing"


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-26T11:00:00",
        "1970-01-01T00:10:00Z",
        "2026-11-26T14:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "yesterday",
        None,
        5,
        # The clock is an hour slow.
        "2026-11-26T11:00:00Z",
    ],
)
async def test_times_that_are_none(home: Home, charger: Charger, time: object) -> None:
    """The time of receipt counts, and the values are present ones."""
    number = (await charger.start(timestamp=time))["transactionId"]
    sampled = [{"value": "16", "measurand": "Current.Import", "phase": "L1"}]
    values = [{"timestamp": time, "sampledValue": sampled}]
    await charger.call("MeterValues", connectorId=1, meterValue=values)
    assert charger.seen_by_us.state.meter_values.current_l1 == 16
    await charger.stop(number, 5, timestamp=time)
    [session] = home.ledger.sessions()
    assert session.start == session.end == home.time


async def test_another_time_zone(home: Home, charger: Charger) -> None:
    """A time with an offset is a good one."""
    number = (await charger.start(timestamp="2026-11-26T13:02:00+01:00"))[
        "transactionId"
    ]
    home.time += timedelta(hours=1)
    await charger.stop(number, 5, timestamp="2026-11-26T07:30:00-05:30")
    [session] = home.ledger.sessions()
    # Two minutes fast is not in the future.
    assert session.start == START
    assert session.end == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("readings", "stop", "energy"),
    [
        ([1200, 1500], 1600, 600),  # cumulative
        ([0, 50, 300], 400, 400),  # restarts at 0, though the start says otherwise
        ([1200, 0, 100, 300], 350, 550),  # restarts in the middle
        ([1200, 0, 1300], 1400, 400),  # a glitch
        ([1200], 0, 200),  # the meter failed
        ([1200], 4_294_967_295, 200),  # none
        ([], 1700, 700),
        ([], None, 0),
    ],
)
async def test_meters(
    home: Home,
    charger: Charger,
    readings: list[int],
    stop: int | None,
    energy: float,
) -> None:
    """A cumulative meter and one that restarts at 0 give the right Wh."""
    number = (await charger.start(meterStart=1000))["transactionId"]
    for reading in readings:
        values = [{"sampledValue": [{"value": str(reading)}]}]
        await charger.call("MeterValues", connectorId=1, meterValue=values)
    await charger.call("StopTransaction", transactionId=number, meterStop=stop)
    assert [each.energy_wh for each in home.ledger.sessions()] == [energy]


async def test_rejected_tag(home: Home, charger: Charger) -> None:
    """It gets a real number; if the charger goes on, that is a session all the same."""
    started = await charger.start(idTag="STRANGER")
    assert started["idTagInfo"] == {"status": "Invalid"}
    assert started["transactionId"] > 0
    transaction = charger.seen_by_us.state.transaction
    assert transaction is not None
    assert not transaction.is_accepted
    await settled()
    assert not charger.unread
    await charger.stop(started["transactionId"], 900, reason="DeAuthorized")
    [session] = home.ledger.sessions()
    assert (session.energy_wh, session.tag) == (900, "STRANGER")
    assert session.end_reason is EndReason.DEAUTHORIZED
    assert not session.is_accepted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["open", "ended", "start", "number", "status", "tag"]),
                inner,
            )
        ),
    )
)
def test_damaged_storage(stored: object) -> None:
    """What was stored and cannot be understood is dropped."""
    assert not Transactions.from_dict(stored).open


def test_stored_and_back() -> None:
    """A transaction is what it was."""
    transaction = Transaction(number=7, tag=CARD, name="Blue", start=START, seen=START)
    transaction.read(5)
    transactions = Transactions()
    transactions.begin(transaction)
    [again] = Transactions.from_dict(transactions.as_dict()).open
    assert again.as_dict() == transaction.as_dict()
