"""Test reading and writing a charger on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import time
from unittest.mock import patch

import pytest

from custom_components.nexblue_local.charger import transport
from custom_components.nexblue_local.charger.charger import Charger
from custom_components.nexblue_local.charger.codec import Layout
from custom_components.nexblue_local.charger.enums import (
    ChargePointState,
    PhaseMode,
    StartStop,
)
from custom_components.nexblue_local.charger.errors import (
    BadAnswer,
    CannotConnect,
    ConnectionCut,
    ConnectionReleased,
    InUse,
    NoAnswer,
    NotACharger,
    NotWritable,
    Refused,
    WrongCharger,
)
from custom_components.nexblue_local.charger.model import Register
from custom_components.nexblue_local.charger.registers import (
    Identity,
    Reading,
    Settings,
)
from custom_components.nexblue_local.charger.transport import Link
from simulator import Car, Fault, FaultKind, Ocpp, SimulatedCharger, Simulator
from tests.conftest import SERIAL

REFRESH = [(4, 100, 39), (4, 400, 3)]
# The first energy values are confirmed by a second read.
FIRST_REFRESH = [(4, 0, 52), (3, 1000, 8), *REFRESH, *REFRESH]


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Shorten the timeout of requests."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


@pytest.fixture
async def link(simulator: Simulator) -> AsyncIterator[Link]:
    """Return a link to the simulator."""
    link = Link(simulator.host, simulator.port)
    yield link
    link.close()


@pytest.fixture
def charger(link: Link) -> Charger:
    """Return the simulated charger, whose serial number is known."""
    return Charger(link, 200, serial_number=SERIAL)


def wire(simulator: Simulator) -> list[tuple[int, int, int]]:
    """Return the requests since the last call, and clear the log."""
    requests = [(r.function, r.address, r.count) for r in simulator.log]
    simulator.log.clear()
    return requests


async def write[T](charger: Charger, register: Register[T], value: T) -> None:
    """Write on the current connection."""
    await charger.write(register, value, await charger.connect())


async def test_identify(simulator: Simulator, link: Link) -> None:
    """A charger is identified by its structure."""
    identity = await Charger(link, 200).identify()
    assert identity.serial_number == SERIAL
    assert identity.brand == "NexBlue"
    assert identity.firmware_version == "04.00.19"


@pytest.mark.parametrize(
    ("address", "word"),
    [
        pytest.param(16, 0xFFFF, id="no printable serial number"),
        pytest.param(38, 0xFFFF, id="no date"),
        pytest.param(100, 9, id="no state"),
    ],
)
async def test_not_a_charger(
    simulator: Simulator, link: Link, address: int, word: int
) -> None:
    """Other Modbus devices are not chargers."""
    simulator.overrides[address] = word
    with pytest.raises(NotACharger):
        await Charger(link, 200).identify()


async def test_a_clock_that_was_never_set(simulator: Simulator, link: Link) -> None:
    """A charger without a date is identified."""
    simulator.overrides |= {38: 0, 39: 0}
    assert (await Charger(link, 200).identify()).serial_number == SERIAL


@pytest.mark.parametrize("layout", Layout)
async def test_layout_of_a_charger_without_a_date(
    simulator: Simulator, link: Link, layout: Layout
) -> None:
    """The fallback timeout confirms the layout for reads, but not for writes."""
    simulator.charger.layout = layout
    simulator.overrides |= {38: 0, 39: 0}
    charger = Charger(link, 200, serial_number=SERIAL)
    snapshot = await charger.refresh()
    assert snapshot[Reading.app_max_current] == 16.0
    with pytest.raises(NotWritable):
        await write(charger, Settings.current_limit, 10.0)


async def test_refused_length(simulator: Simulator, charger: Charger) -> None:
    """A read of a refused length is split."""
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, address=100, code=3, times=1)
    )
    assert (await charger.refresh())[Reading.app_max_current] == 16.0


async def test_a_brand_does_not_matter(simulator: Simulator, link: Link) -> None:
    """A charger is identified without a brand."""
    simulator.overrides |= dict.fromkeys(range(8), 0)
    assert (await Charger(link, 200).identify()).brand is None


async def test_requests_of_a_refresh(simulator: Simulator, link: Link) -> None:
    """A refresh sends two requests; settings and clock are read when due."""
    now = 0.0
    charger = Charger(link, 200, serial_number=SERIAL, clock=lambda: now)
    await charger.refresh()
    assert wire(simulator) == FIRST_REFRESH
    now = 29.0
    await charger.refresh()
    assert wire(simulator) == REFRESH
    now = 30.0
    await charger.refresh()
    assert wire(simulator) == [*REFRESH, (3, 1000, 8)]
    now = 600.0
    await charger.refresh()
    assert wire(simulator) == [*REFRESH, (3, 1000, 8), (4, 38, 5)]


async def test_values(simulator: Simulator, charger: Charger) -> None:
    """The values of the simulated charger are read."""
    simulator.charger.plug_in(Car())
    simulator.charger._preparing_until = 0
    snapshot = await charger.refresh()
    assert snapshot[Reading.status] is ChargePointState.CHARGING
    assert snapshot[Reading.app_max_current] == 16.0
    assert snapshot[Settings.fallback_timeout] == 300
    assert snapshot[Identity.serial_number] == SERIAL


async def test_another_serial_number(simulator: Simulator, link: Link) -> None:
    """Another charger is not read or written, and the connection is closed."""
    charger = Charger(link, 200, serial_number="ANOTHER")
    with pytest.raises(WrongCharger) as wrong:
        await charger.refresh()
    assert wrong.value.found == SERIAL
    with pytest.raises(WrongCharger):
        await write(charger, Settings.current_limit, 6.0)
    assert set(wire(simulator)) == {(4, 0, 52)}
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_serial_number_is_checked_after_each_connect(
    simulator: Simulator, charger: Charger
) -> None:
    """A charger that was replaced is not written."""
    await charger.refresh()
    simulator.charger.serial_number = "NB10SIM00002"
    simulator.cut()
    await asyncio.sleep(0.05)
    simulator.log.clear()
    with pytest.raises(WrongCharger):
        await write(charger, Settings.current_limit, 6.0)
    assert all(function in (3, 4) for function, _, _ in wire(simulator))
    simulator.charger.serial_number = SERIAL
    await asyncio.sleep(0.2)
    assert (await charger.refresh())[Identity.serial_number] == SERIAL


async def test_reserved_registers_refused(
    simulator: Simulator, charger: Charger
) -> None:
    """A refused block is split at its gaps, once per connection."""
    simulator.reserved_refused = True
    snapshot = await charger.refresh()
    assert snapshot[Identity.hardware_version] == "1.2"
    assert snapshot[Reading.status] is ChargePointState.AVAILABLE
    assert snapshot[Reading.app_max_current] == 16.0
    assert wire(simulator) == [
        *((4, 0, 52), (4, 0, 43), (4, 44, 8), (3, 1000, 8)),
        *((4, 100, 39), (4, 100, 1), (4, 102, 37), (4, 400, 3)),
        *((4, 100, 1), (4, 102, 37), (4, 400, 3)),
    ]
    await charger.refresh()
    assert wire(simulator) == [(4, 100, 1), (4, 102, 37), (4, 400, 3)]


async def test_a_refused_register_is_unknown(
    simulator: Simulator, charger: Charger
) -> None:
    """Refused registers are unknown, and all others are read."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, address=400, code=2))
    snapshot = await charger.refresh()
    assert snapshot[Reading.errors] is None
    assert snapshot[Reading.voltage_l1] is not None


@pytest.mark.parametrize("layout", Layout)
async def test_layout_is_told_by_the_date(
    simulator: Simulator, charger: Charger, layout: Layout
) -> None:
    """Another byte order is detected, and used for reads and writes."""
    simulator.charger.layout = layout
    snapshot = await charger.refresh()
    assert charger.layout is layout
    assert snapshot[Reading.lifetime_energy] == 1_234_567
    await write(charger, Settings.current_limit, 10.0)
    assert (await charger.refresh())[Settings.current_limit] == 10.0
    assert simulator.charger.settings["current_limit"] == 10.0


@pytest.mark.parametrize(
    ("layout", "overrides"),
    [
        pytest.param(Layout.ABCD, {1005: 7}, id="another layout, 1004 disagrees"),
        pytest.param(Layout.DCBA, {38: 0, 39: 0}, id="the clock was never set"),
        pytest.param(
            Layout.DCBA, {38: 0, 39: 0, 1004: 0, 1005: 0}, id="neither date nor 1004"
        ),
    ],
)
async def test_nothing_is_written_in_an_uncertain_layout(
    simulator: Simulator, charger: Charger, layout: Layout, overrides: dict[int, int]
) -> None:
    """With an uncertain layout, registers are read but not written."""
    simulator.charger.layout = layout
    simulator.overrides |= overrides
    await charger.refresh()
    with pytest.raises(NotWritable):
        await write(charger, Settings.current_limit, 10.0)
    assert all(function in (3, 4) for function, _, _ in wire(simulator))


async def test_writes(simulator: Simulator, charger: Charger) -> None:
    """Each setting is written with the documented function and read back."""
    await charger.refresh()
    simulator.log.clear()
    await write(charger, Settings.current_limit, 10.5)
    await write(charger, Settings.fallback_limit, 5.0)
    await write(charger, Settings.fallback_timeout, 60)
    await write(charger, Settings.start_stop, StartStop.STOP)
    await write(charger, Settings.phase_mode, PhaseMode.SINGLE_PHASE)
    assert (await charger.refresh()).settings.values == {
        "current_limit": 10.5,
        "fallback_limit": 0.0,  # The charger treats values below 6 A as 0.
        "fallback_timeout": 60,
        "start_stop": StartStop.STOP,
        "phase_mode": PhaseMode.SINGLE_PHASE,
    }
    assert [r for r in wire(simulator) if r[0] not in (3, 4)] == [
        *((0x10, 1000, 2), (0x10, 1002, 2), (0x10, 1004, 2)),
        *((0x06, 1006, 1), (0x06, 1007, 1)),
    ]


async def test_settings_are_read_until_they_have_settled(
    simulator: Simulator, link: Link
) -> None:
    """After a write the settings are read with each refresh."""
    now = 0.0
    charger = Charger(link, 200, serial_number=SERIAL, clock=lambda: now)
    await charger.refresh()
    simulator.charger.read_back_delay = 0.3
    await write(charger, Settings.current_limit, 10.0)
    now = 1.0
    assert (await charger.refresh())[Settings.current_limit] == 16.0
    await asyncio.sleep(0.3)
    now = 2.0
    assert (await charger.refresh())[Settings.current_limit] == 10.0
    now = 6.0
    await charger.refresh()
    wire(simulator)
    now = 11.0
    await charger.refresh()
    assert wire(simulator) == REFRESH


async def test_a_clock_that_is_set_late(simulator: Simulator, link: Link) -> None:
    """Registers can be written as soon as the clock is set."""
    now = 0.0
    charger = Charger(link, 200, serial_number=SERIAL, clock=lambda: now)
    simulator.overrides |= {38: 0, 39: 0}
    await charger.refresh()
    with pytest.raises(NotWritable):
        await write(charger, Settings.current_limit, 10.0)
    simulator.overrides.clear()
    await write(charger, Settings.current_limit, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


async def test_layout_outlives_a_clock_that_is_not_set(
    simulator: Simulator, charger: Charger
) -> None:
    """Without a date the last confirmed layout is used for reads."""
    simulator.charger.layout = Layout.ABCD
    await charger.refresh()
    simulator.overrides |= {38: 0, 39: 0}
    simulator.cut()
    await asyncio.sleep(0.2)
    assert (await charger.refresh())[Reading.app_max_current] == 16.0
    with pytest.raises(NotWritable):
        await write(charger, Settings.current_limit, 10.0)


async def test_who_gave_up_takes_back(simulator: Simulator, link: Link) -> None:
    """Only the charger that released the connection can reclaim it."""
    one, other = Charger(link, 200), Charger(link, 200)
    one.release_connection(0.01)
    await asyncio.sleep(0.05)
    other.release_connection(60)
    one.reclaim_connection()
    with pytest.raises(ConnectionReleased):
        await link.connect()
    other.reclaim_connection()
    assert (await link.connect()).is_open


async def test_a_layout_that_is_known_late(simulator: Simulator, link: Link) -> None:
    """A layout that is detected by the write is used for it."""
    charger = Charger(link, 200, serial_number=SERIAL)
    simulator.charger.layout = Layout.ABCD
    simulator.overrides |= {38: 0, 39: 0, 1004: 0, 1005: 0}
    await charger.refresh()
    simulator.overrides.clear()
    await write(charger, Settings.current_limit, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


async def test_a_stranger_on_a_shared_link(simulator: Simulator, link: Link) -> None:
    """The wrong charger on a shared link does not close the connection."""
    link.users = 2
    right = Charger(link, 200, serial_number=SERIAL)
    wrong = Charger(link, 200, serial_number="ANOTHER")
    await right.refresh()
    wire(simulator)
    for _ in range(3):
        with pytest.raises(WrongCharger):
            await wrong.refresh()
    assert wire(simulator) == 3 * [(4, 0, 52)]
    await right.refresh()
    assert wire(simulator) == REFRESH


async def test_bad_values_are_not_sent(simulator: Simulator, charger: Charger) -> None:
    """A value out of range raises ValueError and sends nothing."""
    with pytest.raises(ValueError, match="current_limit"):
        await write(charger, Settings.current_limit, 33.0)
    assert all(function in (3, 4) for function, _, _ in wire(simulator))


async def test_refused_write(simulator: Simulator, charger: Charger) -> None:
    """A refused write raises Refused and changes nothing."""
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(Refused):
        await write(charger, Settings.start_stop, StartStop.STOP)
    assert simulator.charger.settings["start_stop"] is StartStop.START


async def test_writes_belong_to_a_connection(
    simulator: Simulator, charger: Charger
) -> None:
    """Reads and writes for an earlier connection raise ConnectionCut."""
    connection = await charger.connect()
    simulator.cut()
    await asyncio.sleep(0.2)
    assert await charger.connect() == connection + 1
    simulator.log.clear()
    with pytest.raises(ConnectionCut):
        await charger.write(Settings.current_limit, 10.0, connection)
    with pytest.raises(ConnectionCut):
        await charger.read_settings(connection)
    assert wire(simulator) == []


async def test_a_silence_behind_a_gateway_ends_what_was_known(
    simulator: Simulator, charger: Charger
) -> None:
    """The charger is identified again after a request without a response."""
    connection = await charger.connect()
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=11, times=1))
    with pytest.raises(NoAnswer):
        await charger.read_settings(connection)
    simulator.log.clear()
    with pytest.raises(ConnectionCut):
        await charger.write(Settings.current_limit, 10.0, connection)
    assert await charger.connect() == connection + 1
    assert wire(simulator)[0] == (4, 0, 52)


@pytest.mark.parametrize("kind", [FaultKind.MUTE, FaultKind.DROP, FaultKind.GARBAGE])
async def test_a_write_is_never_repeated(
    simulator: Simulator, charger: Charger, kind: FaultKind
) -> None:
    """A write without a response is not sent again; it may have been executed."""
    await charger.refresh()
    simulator.log.clear()
    simulator.faults.append(Fault(kind=kind, function=0x10, executed=True))
    with pytest.raises((NoAnswer, ConnectionCut, BadAnswer)):
        await write(charger, Settings.current_limit, 8.0)
    await asyncio.sleep(0.3)
    assert wire(simulator) == [(0x10, 1000, 2)]


async def test_single_failures_are_retried(
    simulator: Simulator, charger: Charger
) -> None:
    """A refresh is retried immediately after a single failure."""
    await charger.refresh()
    for kind in (FaultKind.DROP, FaultKind.MUTE, FaultKind.GARBAGE):
        simulator.faults.append(Fault(kind=kind, times=1))
        await charger.refresh()


async def test_an_outage_fails_fast(simulator: Simulator, charger: Charger) -> None:
    """During an outage each refresh connects once."""
    await charger.refresh()
    simulator.faults.append(Fault(kind=FaultKind.GARBAGE))
    with pytest.raises(BadAnswer):
        await charger.refresh()
    await asyncio.sleep(0.2)
    simulator.log.clear()
    with pytest.raises(BadAnswer):
        await charger.refresh()
    assert len(simulator.log) == 1
    simulator.faults.clear()
    await simulator.stop()
    start = time.monotonic()
    with pytest.raises(CannotConnect):
        await charger.refresh()
    assert time.monotonic() - start < 0.3
    await simulator.start()
    await charger.refresh()


async def test_connecting_is_retried(simulator: Simulator, charger: Charger) -> None:
    """Connecting is retried until the charger has dropped the last client."""
    other = Link(simulator.host, simulator.port)
    await Charger(other, 200).identify()
    other.close()
    await charger.refresh()


async def test_another_client_holds_the_charger(
    simulator: Simulator, charger: Charger
) -> None:
    """Connections that are closed repeatedly raise InUse."""
    other = Link(simulator.host, simulator.port)
    await Charger(other, 200).identify()
    with pytest.raises(InUse):
        await charger.refresh()
    other.close()
    await asyncio.sleep(0.2)
    await charger.refresh()


async def test_charger_is_off(simulator: Simulator, charger: Charger) -> None:
    """Without power connecting fails, and the next refresh recovers."""
    await charger.refresh()
    await simulator.stop()
    with pytest.raises(CannotConnect):
        await charger.refresh()
    await simulator.start()
    assert (await charger.refresh())[Reading.status] is ChargePointState.AVAILABLE


async def test_two_chargers_share_a_link(
    simulator: Simulator, link: Link, charger: Charger
) -> None:
    """Two users of a link share one connection."""
    await charger.refresh()
    identity = await Charger(link, 200).identify()
    assert identity.serial_number == SERIAL
    await charger.refresh()


def test_simulated_chargers_differ() -> None:
    """The simulator has the serial number of the tests."""
    assert SimulatedCharger().serial_number == SERIAL
