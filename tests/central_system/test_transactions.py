"""Transactions: numbers, repeats, late messages, restarts, and what the meter says."""

from datetime import timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.nexblue_local.central_system.events import (
    TagPresented,
    TransactionEnded,
    TransactionStarted,
)
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.central_system.transactions import (
    MAX_OPEN,
    Transaction,
    TransactionNumbers,
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


async def test_start_that_is_repeated_after_its_end(
    home: Home, charger: Charger
) -> None:
    """It is reported once at most, also after a restart."""
    timestamp = home.time.isoformat()
    home.can_save = False
    assert await charger.start(timestamp=timestamp) == "InternalError"
    home.can_save = True
    home.time += timedelta(minutes=5)
    await charger.stop(0, 10, timestamp=home.time.isoformat())
    for _ in range(2):
        await charger.start(timestamp=timestamp)
    await charger.central.close()
    async with Charger(home.central_system()) as again:
        await again.start(timestamp=timestamp)
    assert len(home.seen(TransactionStarted)) <= 1


async def test_end_on_another_connector(charger: Charger) -> None:
    """The values of the first connector stay."""
    first = (await charger.start())["transactionId"]
    second = (await charger.start(connectorId=2))["transactionId"]
    power = {"value": "7000", "measurand": "Power.Active.Import", "unit": "W"}
    await charger.call(
        "MeterValues",
        connectorId=1,
        transactionId=first,
        meterValue=[{"sampledValue": [power]}],
    )
    await charger.stop(second, 10)
    state = charger.seen_by_us.state
    assert state.transaction is not None
    assert state.transaction.number == first
    assert state.meter_values.power == 7000
    assert state.end_reason is None


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
    values[0]["timestamp"] = shown(home.time - timedelta(minutes=1))
    await charger.call("MeterValues", transactionId=first, meterValue=values)
    home.time += timedelta(hours=1)
    second = (await charger.start(meterStart=1000))["transactionId"]
    [session] = home.ledger.sessions()
    assert (session.end, session.energy_wh) == (ended_at, 900)
    assert session.is_reconstructed
    assert charger.seen_by_us.state.transaction is not None
    assert charger.seen_by_us.state.transaction.number == second
    for _ in range(2):
        await charger.stop(first, 950, timestamp=shown(home.time))
    assert len(home.seen(TransactionEnded)) == 2
    [session] = home.ledger.sessions()
    assert (session.end, session.energy_wh) == (home.time, 950)
    assert not session.is_reconstructed


async def test_stop_before_its_start(home: Home, charger: Charger) -> None:
    """A clock that was set back meanwhile makes no session of negative duration."""
    number = (await charger.start(timestamp=shown(home.time)))["transactionId"]
    await charger.stop(number, 5, timestamp=shown(home.time - timedelta(minutes=1)))
    [session] = home.ledger.sessions()
    assert session.start == session.end == home.time


async def test_start_whose_predecessor_could_not_be_stored(
    home: Home, charger: Charger
) -> None:
    """The newer of two open transactions is the present one."""
    first = (await charger.start())["transactionId"]
    home.can_record = False
    assert await charger.start(meterStart=5) == "InternalError"
    values = [{"sampledValue": [{"value": "25"}]}]
    await charger.call("MeterValues", connectorId=1, meterValue=values)
    transaction = charger.seen_by_us.state.transaction
    assert transaction is not None
    assert (transaction.number, transaction.energy) == (first + 1, 20)
    home.can_record = True
    assert (await charger.start(meterStart=5))["transactionId"] == first + 1
    assert [each.transaction_id for each in home.ledger.sessions()] == [first]


async def test_stop_without_a_number_of_several(home: Home, charger: Charger) -> None:
    """It cannot be known which is meant, so it is a record of its own."""
    for connector in (1, 2):
        await charger.start(connectorId=connector)
    await charger.stop(-1, 9)
    assert len(home.disk["charge_points"][ID]["transactions"]["open"]) == 2
    assert [each.is_reconstructed for each in home.ledger.sessions()] == [True]


async def test_stop_that_says_nothing(home: Home, charger: Charger) -> None:
    """It ends the one that is open, not another one that was ended for it."""
    for meter in (0, 100):
        await charger.start(meterStart=meter)
    await charger.call("StopTransaction", transactionId=-1)
    assert charger.seen_by_us.state.transaction is None
    assert len(home.ledger.sessions()) == 2


async def test_readings_are_stored(home: Home, charger: Charger) -> None:
    """Every few minutes, so that a restart loses little of them."""
    await charger.start()
    saves = home.saves
    for minute in range(12):
        home.time += timedelta(minutes=1)
        values = [{"sampledValue": [{"value": str(100 * minute)}]}]
        await charger.call("MeterValues", connectorId=1, meterValue=values)
    assert home.saves == saves + 2
    [transaction] = home.disk["charge_points"][ID]["transactions"]["open"]
    assert transaction["energy"] == 1100


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
        sampled = [{"value": 3000, "measurand": "Power.Active.Import"}]
        values = [{"timestamp": shown(home.time), "sampledValue": sampled}]
        await again.call("MeterValues", connectorId=1, meterValue=values)
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
    assert state.meter_values.power == 3000
    assert state.status == "preparing"
    assert not home.seen(TagPresented)
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


async def test_a_clock_that_is_lost(home: Home, charger: Charger) -> None:
    """Once it shows 1970, what it shows next may be wrong, too."""
    await charger.call("StatusNotification", status="Available", timestamp=shown(START))
    number = (await charger.start(timestamp="1970-01-01T00:00:00Z"))["transactionId"]
    home.time += timedelta(hours=1)
    await charger.stop(number, 5, timestamp=shown(START - timedelta(hours=1)))
    assert [each.end for each in home.ledger.sessions()] == [home.time]


async def test_another_time_zone(home: Home, charger: Charger) -> None:
    """A time with an offset is a good one."""
    started = await charger.start(timestamp="2026-11-26T13:02:00+01:00")
    home.time += timedelta(hours=1)
    stop = {"timestamp": "2026-11-26T07:30:00-05:30"}
    await charger.stop(started["transactionId"], 5, **stop)
    [session] = home.ledger.sessions()
    # Two minutes fast is not in the future.
    assert session.start == START
    assert session.end == START + timedelta(hours=1)
    assert await charger.start(timestamp="2026-11-26T13:02:00+01:00") == started


@pytest.mark.parametrize(
    ("readings", "stop", "energy"),
    [
        ([1200, 1500], 1600, 600),  # cumulative
        ([0, 50, 300], 400, 400),  # restarts at 0, though the start says otherwise
        ([1200, 0, 100, 300], 350, 550),  # restarts in the middle
        ([1200, 0, 1300], 1400, 400),  # a glitch
        ([1200, 0, 1300, 5, 1400], 1500, 500),  # two of them
        ([1200], 150, 350),  # restarts, as only the stop shows
        ([1200], 0, 200),  # the meter failed
        ([1200], 4_294_967_295, 200),  # none
        ([1200], -5, 200),
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


async def test_peak_power(home: Home, charger: Charger) -> None:
    """It is the highest that a charger can have."""
    number = (await charger.start())["transactionId"]
    for power in ("5000", "7400", "-1", "1e9", "nan", "3000"):
        sampled = [{"value": power, "measurand": "Power.Active.Import"}]
        values = [{"sampledValue": sampled}]
        await charger.call("MeterValues", connectorId=1, meterValue=values)
    await charger.stop(number, 0)
    assert [each.peak_w for each in home.ledger.sessions()] == [7400]


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


def test_a_time_without_a_zone_in_the_storage() -> None:
    """It could not be compared with others, so the transaction is dropped."""
    transaction = Transaction(number=7, tag=CARD, name="Blue", start=START, seen=START)
    stored = transaction.as_dict()
    assert len(Transactions.from_dict({"open": [stored]}).open) == 1
    stored["start"] = "2026-11-26T12:00:00"
    assert not Transactions.from_dict({"open": [stored]}).open


@pytest.mark.parametrize("stored", [None, 0, -5, "many", 2**31])
def test_damaged_number(stored: object) -> None:
    """The next one is higher than any that was given before, and fits."""
    minute = START.timestamp() / 60
    assert TransactionNumbers(stored, START).next() == minute + 1


def test_stored_and_back() -> None:
    """A transaction is what it was."""
    transaction = Transaction(number=7, tag=CARD, name="Blue", start=START, seen=START)
    transaction.read(5)
    transactions = Transactions()
    transactions.begin(transaction)
    [again] = Transactions.from_dict(transactions.as_dict()).open
    assert again.as_dict() == transaction.as_dict()
