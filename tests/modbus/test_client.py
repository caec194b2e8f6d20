"""Test reading and writing a charger on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
import time
from unittest.mock import patch

import pytest

from custom_components.nexblue_local.modbus import transport
from custom_components.nexblue_local.modbus.client import Client
from custom_components.nexblue_local.modbus.codec import UINT32, Layout
from custom_components.nexblue_local.modbus.connection_pool import Endpoint
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState,
    PhaseMode,
    StartStop,
)
from custom_components.nexblue_local.modbus.errors import (
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
from custom_components.nexblue_local.modbus.model import Register
from custom_components.nexblue_local.modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
    Settings,
)
from simulator import Car, Fault, FaultKind, Habits, Ocpp, SimulatedCharger, Simulator
from tests.conftest import SERIAL

POLL = [(4, 100, 39), (4, 400, 3)]
# The first energy values are confirmed by a second read.
FIRST_POLL = [(4, 0, 52), (3, 1000, 8), *POLL, *POLL]


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Shorten the timeout of requests."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


@pytest.fixture
async def endpoint(simulator: Simulator) -> AsyncIterator[Endpoint]:
    """Return a link to the simulator."""
    endpoint = Endpoint(simulator.host, simulator.port)
    yield endpoint
    endpoint.close()


@pytest.fixture
def client(endpoint: Endpoint) -> Client:
    """Return the client of the simulated charger, whose serial number is known."""
    return Client(endpoint, 200, serial_number=SERIAL)


def wire(simulator: Simulator) -> list[tuple[int, int, int]]:
    """Return the requests since the last call, and clear the log."""
    requests = [(r.function, r.address, r.count) for r in simulator.log]
    simulator.log.clear()
    return requests


async def write[T](client: Client, register: Register[T], value: T) -> None:
    """Write on the current session."""
    session = await client.connect()
    await session.write(register, value)


VALUES = (*range(38, 43), *range(100, 139), *range(1000, 1008))
"""Addresses of all values but the identity's."""


def date_words(date: int, layout: Layout) -> dict[int, int]:
    """Return the words of a date."""
    return dict(enumerate(UINT32.encode(date, layout), 38))


OTHER_DATE = date_words(20_260_601, Layout.ABCD)


async def test_identify(simulator: Simulator, endpoint: Endpoint) -> None:
    """A charger is identified by its structure."""
    identity = await Client(endpoint, 200).identify()
    assert identity.serial_number == SERIAL
    assert identity.brand == "NexBlue"
    assert identity.firmware_version == "04.00.19"


@pytest.mark.parametrize(
    ("addresses", "word"),
    [
        pytest.param([16], 0xFFFF, id="no printable serial number"),
        pytest.param(VALUES, 0xFFFF, id="no plausible values"),
        pytest.param(VALUES, 0, id="zero everywhere but in the state"),
    ],
)
async def test_not_a_charger(
    simulator: Simulator, endpoint: Endpoint, addresses: Sequence[int], word: int
) -> None:
    """Other Modbus devices are not chargers."""
    simulator.overrides |= dict.fromkeys(addresses, word)
    if word == 0:
        simulator.overrides |= {1006: 9, 1007: 9}
    with pytest.raises(NotACharger):
        await Client(endpoint, 200).identify()


@pytest.mark.parametrize("date", [0, 0xFFFFFFFF, 19_000_101, 261_126])
async def test_a_clock_that_makes_no_sense(
    simulator: Simulator, endpoint: Endpoint, date: int
) -> None:
    """A charger without a valid date is identified, and can be written."""
    simulator.overrides |= date_words(date, Layout.DCBA)
    client = Client(endpoint, 200)
    assert (await client.identify()).serial_number == SERIAL
    await write(client, CURRENT_LIMIT, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


@pytest.mark.parametrize("layout", Layout)
async def test_layout_of_a_charger_without_a_date(
    simulator: Simulator, endpoint: Endpoint, layout: Layout
) -> None:
    """The other values confirm the layout."""
    simulator.charger.layout = layout
    simulator.overrides |= {38: 0, 39: 0}
    client = Client(endpoint, 200, serial_number=SERIAL)
    snapshot = await client.poll()
    assert snapshot.reading.app_max_current == 16.0
    await write(client, CURRENT_LIMIT, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


async def test_refused_length(simulator: Simulator, client: Client) -> None:
    """A read of a refused length is split."""
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, address=100, code=3, times=1)
    )
    assert (await client.poll()).reading.app_max_current == 16.0


async def test_a_brand_does_not_matter(
    simulator: Simulator, endpoint: Endpoint
) -> None:
    """A charger is identified without a brand."""
    simulator.overrides |= dict.fromkeys(range(8), 0)
    assert (await Client(endpoint, 200).identify()).brand is None


async def test_requests_of_a_poll(simulator: Simulator, endpoint: Endpoint) -> None:
    """A poll sends two requests; settings and clock are read when due."""
    now = 0.0
    client = Client(endpoint, 200, serial_number=SERIAL, clock=lambda: now)
    await client.poll()
    assert wire(simulator) == FIRST_POLL
    now = 29.0
    await client.poll()
    assert wire(simulator) == POLL
    now = 30.0
    await client.poll()
    assert wire(simulator) == [*POLL, (3, 1000, 8)]
    now = 600.0
    await client.poll()
    assert wire(simulator) == [*POLL, (3, 1000, 8), (4, 38, 5)]


async def test_an_unreadable_lifetime_energy(
    simulator: Simulator, client: Client
) -> None:
    """Polls stop reading twice if the lifetime energy stays unknown."""
    simulator.overrides |= dict.fromkeys(range(130, 134), 0xFFFF)
    for _ in range(5):
        assert (await client.poll()).reading.lifetime_energy is None
    wire(simulator)
    await client.poll()
    assert wire(simulator) == POLL
    simulator.overrides.clear()
    await client.poll()
    assert (await client.poll()).reading.lifetime_energy == 1_234_567


async def test_values(simulator: Simulator, client: Client) -> None:
    """The values of the simulated charger are read."""
    simulator.charger.plug_in(Car())
    simulator.charger.clock = lambda: time.monotonic() + 10.0
    snapshot = await client.poll()
    assert snapshot.reading.status is ChargePointState.CHARGING
    assert snapshot.reading.app_max_current == 16.0
    assert snapshot.settings.fallback_timeout == 300
    assert snapshot.identity.serial_number == SERIAL


async def test_another_serial_number(simulator: Simulator, endpoint: Endpoint) -> None:
    """Another charger is not read or written, and the connection is closed."""
    client = Client(endpoint, 200, serial_number="ANOTHER")
    with pytest.raises(WrongCharger) as wrong:
        await client.poll()
    assert wrong.value.found == SERIAL
    with pytest.raises(WrongCharger):
        await write(client, CURRENT_LIMIT, 6.0)
    assert set(wire(simulator)) == {(4, 0, 52)}
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_serial_number_is_checked_after_each_connect(
    simulator: Simulator, client: Client
) -> None:
    """A charger that was replaced is not written."""
    await client.poll()
    simulator.charger.serial_number = "NB10SIM00002"
    simulator.cut()
    await asyncio.sleep(0.05)
    simulator.log.clear()
    with pytest.raises(WrongCharger):
        await write(client, CURRENT_LIMIT, 6.0)
    assert all(function in (3, 4) for function, _, _ in wire(simulator))
    simulator.charger.serial_number = SERIAL
    await asyncio.sleep(0.2)
    assert (await client.poll()).identity.serial_number == SERIAL


async def test_reserved_registers_refused(simulator: Simulator, client: Client) -> None:
    """A refused block is split at its gaps, once per connection."""
    simulator.charger.habits = Habits(reserved_refused=True)
    snapshot = await client.poll()
    assert snapshot.identity.hardware_version == "1.2"
    assert snapshot.reading.status is ChargePointState.AVAILABLE
    assert snapshot.reading.app_max_current == 16.0
    assert wire(simulator) == [
        *((4, 0, 52), (4, 0, 43), (4, 44, 8), (3, 1000, 8)),
        *((4, 100, 39), (4, 100, 1), (4, 102, 37), (4, 400, 3)),
        *((4, 100, 1), (4, 102, 37), (4, 400, 3)),
    ]
    await client.poll()
    assert wire(simulator) == [(4, 100, 1), (4, 102, 37), (4, 400, 3)]


async def test_a_refused_register_is_unknown(
    simulator: Simulator, client: Client
) -> None:
    """Refused registers are unknown, and all others are read."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, address=400, code=2))
    snapshot = await client.poll()
    assert snapshot.reading.errors is None
    assert snapshot.reading.voltage_l1 is not None


@pytest.mark.parametrize("layout", Layout)
async def test_layout_is_told_by_the_date(
    simulator: Simulator, client: Client, layout: Layout
) -> None:
    """Another byte order is detected, and used for reads and writes."""
    simulator.charger.layout = layout
    snapshot = await client.poll()
    assert client.layout is layout
    assert snapshot.reading.lifetime_energy == 1_234_567
    await write(client, CURRENT_LIMIT, 10.0)
    assert (await client.poll()).settings.current_limit == 10.0
    assert simulator.charger.settings["current_limit"] == 10.0


@pytest.mark.parametrize(
    ("layout", "overrides"),
    [
        pytest.param(Layout.DCBA, OTHER_DATE, id="the date disagrees"),
        pytest.param(
            Layout.CDAB, OTHER_DATE, id="the date of another layout disagrees"
        ),
        pytest.param(
            Layout.DCBA, {1004: 0, 1005: 300}, id="the fallback timeout disagrees"
        ),
        pytest.param(
            Layout.DCBA, dict.fromkeys(VALUES, 0), id="no value says anything"
        ),
        pytest.param(
            Layout.DCBA,
            dict.fromkeys(VALUES, 0) | {1004: 0x2C01},
            id="one value is not enough",
        ),
        pytest.param(
            Layout.DCBA,
            dict.fromkeys(VALUES, 0)
            | date_words(20_260_601, Layout.DCBA)
            | {1004: 0x2C01},
            id="none of them is a float",
        ),
    ],
)
async def test_nothing_is_written_in_an_uncertain_layout(
    simulator: Simulator, client: Client, layout: Layout, overrides: dict[int, int]
) -> None:
    """With an uncertain layout, registers are read but not written."""
    simulator.charger.layout = layout
    simulator.overrides |= overrides
    await client.poll()
    with pytest.raises(NotWritable):
        await write(client, CURRENT_LIMIT, 10.0)
    assert all(function in (3, 4) for function, _, _ in wire(simulator))


@pytest.mark.parametrize(
    ("layout", "overrides"),
    [
        pytest.param(Layout.DCBA, OTHER_DATE, id="the date disagrees"),
        pytest.param(Layout.CDAB, OTHER_DATE, id="all disagree"),
        pytest.param(Layout.DCBA, {1004: 0, 1005: 300}, id="the timeout disagrees"),
        pytest.param(
            Layout.DCBA,
            dict.fromkeys(VALUES, 0) | OTHER_DATE,
            id="only the date speaks, for another",
        ),
    ],
)
async def test_values_in_doubt_are_unknown(
    simulator: Simulator, endpoint: Endpoint, layout: Layout, overrides: dict[int, int]
) -> None:
    """No number of several registers is shown until the values agree again."""
    now = 0.0
    client = Client(endpoint, 200, serial_number=SERIAL, clock=lambda: now)
    simulator.charger.layout = layout
    simulator.charger.plug_in(Car())
    simulator.overrides |= overrides
    snapshot = await client.poll()
    for group in (snapshot.reading, snapshot.settings, snapshot.clock):
        for name, register in group.registers.items():
            is_known = getattr(group, name) is not None
            assert is_known is (len(register.addresses) == 1), name
    assert snapshot.identity.firmware_version == "04.00.19"
    simulator.overrides.clear()
    now = 601.0
    for _ in range(2):
        snapshot = await client.poll()
    assert client.layout is layout
    assert snapshot.reading.lifetime_energy is not None
    assert snapshot.settings.current_limit == 16.0
    assert snapshot.clock.date == int(simulator.charger.wall_clock().strftime("%Y%m%d"))


async def test_writes(simulator: Simulator, client: Client) -> None:
    """Each setting is written with the documented function and read back."""
    await client.poll()
    simulator.log.clear()
    await write(client, CURRENT_LIMIT, 10.5)
    await write(client, FALLBACK_LIMIT, 5.0)
    await write(client, FALLBACK_TIMEOUT, 60)
    await write(client, START_STOP, StartStop.STOP)
    await write(client, PHASE_MODE, PhaseMode.SINGLE_PHASE)
    assert (await client.poll()).settings == Settings(
        current_limit=10.5,
        fallback_limit=0.0,  # The charger treats values below 6 A as 0.
        fallback_timeout=60,
        start_stop=StartStop.STOP,
        phase_mode=PhaseMode.SINGLE_PHASE,
    )
    assert [r for r in wire(simulator) if r[0] not in (3, 4)] == [
        *((0x10, 1000, 2), (0x10, 1002, 2), (0x10, 1004, 2)),
        *((0x06, 1006, 1), (0x06, 1007, 1)),
    ]


async def test_settings_are_read_until_they_have_settled(
    simulator: Simulator, endpoint: Endpoint
) -> None:
    """After a write the settings are read with each poll."""
    now = 0.0
    client = Client(endpoint, 200, serial_number=SERIAL, clock=lambda: now)
    await client.poll()
    simulator.charger.read_back_delay = 0.3
    await write(client, CURRENT_LIMIT, 10.0)
    now = 1.0
    assert (await client.poll()).settings.current_limit == 16.0
    await asyncio.sleep(0.3)
    now = 2.0
    assert (await client.poll()).settings.current_limit == 10.0
    now = 6.0
    await client.poll()
    wire(simulator)
    now = 11.0
    await client.poll()
    assert wire(simulator) == POLL


async def test_a_clock_that_is_set_late(
    simulator: Simulator, endpoint: Endpoint
) -> None:
    """Registers can be written as soon as nothing disagrees."""
    now = 0.0
    client = Client(endpoint, 200, serial_number=SERIAL, clock=lambda: now)
    simulator.overrides |= OTHER_DATE
    await client.poll()
    with pytest.raises(NotWritable):
        await write(client, CURRENT_LIMIT, 10.0)
    simulator.overrides.clear()
    await write(client, CURRENT_LIMIT, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


async def test_layout_outlives_a_clock_that_is_not_set(
    simulator: Simulator, client: Client
) -> None:
    """A layout that was certain stays so while the values say nothing."""
    simulator.charger.layout = Layout.ABCD
    await client.poll()
    simulator.overrides |= dict.fromkeys(VALUES, 0)
    simulator.cut()
    await asyncio.sleep(0.2)
    assert (await client.poll()).reading.power == 0.0
    await write(client, CURRENT_LIMIT, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


async def test_who_gave_up_takes_back(simulator: Simulator, endpoint: Endpoint) -> None:
    """Only the charger that released the connection can reclaim it."""
    one, other = Client(endpoint, 200), Client(endpoint, 200)
    one.release_connection(0.01)
    await asyncio.sleep(0.05)
    other.release_connection(60)
    one.reclaim_connection()
    with pytest.raises(ConnectionReleased):
        await endpoint.connect()
    other.reclaim_connection()
    assert (await endpoint.connect()).is_open


async def test_a_layout_that_is_known_late(
    simulator: Simulator, endpoint: Endpoint
) -> None:
    """A layout that is detected by the write is used for it."""
    client = Client(endpoint, 200, serial_number=SERIAL)
    simulator.charger.layout = Layout.ABCD
    simulator.overrides |= dict.fromkeys(VALUES, 0)
    await client.poll()
    simulator.overrides.clear()
    await write(client, CURRENT_LIMIT, 10.0)
    assert simulator.charger.settings["current_limit"] == 10.0


async def test_a_stranger_on_a_shared_link(
    simulator: Simulator, endpoint: Endpoint
) -> None:
    """The wrong charger at a shared endpoint does not close the connection."""
    endpoint.users = 2
    right = Client(endpoint, 200, serial_number=SERIAL)
    wrong = Client(endpoint, 200, serial_number="ANOTHER")
    await right.poll()
    wire(simulator)
    for _ in range(3):
        with pytest.raises(WrongCharger):
            await wrong.poll()
    assert wire(simulator) == 3 * [(4, 0, 52)]
    await right.poll()
    assert wire(simulator) == POLL


async def test_bad_values_are_not_sent(simulator: Simulator, client: Client) -> None:
    """A value out of range raises ValueError and sends nothing."""
    with pytest.raises(ValueError, match="current_limit"):
        await write(client, CURRENT_LIMIT, 33.0)
    assert all(function in (3, 4) for function, _, _ in wire(simulator))


async def test_refused_write(simulator: Simulator, client: Client) -> None:
    """A refused write raises Refused and changes nothing."""
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(Refused):
        await write(client, START_STOP, StartStop.STOP)
    assert simulator.charger.settings["start_stop"] is StartStop.START


async def test_writes_belong_to_a_connection(
    simulator: Simulator, client: Client
) -> None:
    """Reads and writes on an earlier session raise ConnectionCut."""
    session = await client.connect()
    assert await client.connect() is session
    simulator.cut()
    await asyncio.sleep(0.2)
    assert session.is_over
    following = await client.connect()
    assert following is not session
    assert not following.is_over
    simulator.log.clear()
    with pytest.raises(ConnectionCut):
        await session.write(CURRENT_LIMIT, 10.0)
    with pytest.raises(ConnectionCut):
        await session.read_settings()
    assert wire(simulator) == []


async def test_a_silence_behind_a_gateway_ends_what_was_known(
    simulator: Simulator, client: Client
) -> None:
    """The charger is identified again after a request without a response."""
    session = await client.connect()
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=11, times=1))
    with pytest.raises(NoAnswer):
        await session.read_settings()
    assert session.is_over
    simulator.log.clear()
    with pytest.raises(ConnectionCut):
        await session.write(CURRENT_LIMIT, 10.0)
    assert await client.connect() is not session
    assert wire(simulator)[0] == (4, 0, 52)


@pytest.mark.parametrize("kind", [FaultKind.MUTE, FaultKind.DROP, FaultKind.GARBAGE])
async def test_a_write_is_never_repeated(
    simulator: Simulator, client: Client, kind: FaultKind
) -> None:
    """A write without a response is not sent again; it may have been executed."""
    await client.poll()
    simulator.log.clear()
    simulator.faults.append(Fault(kind=kind, function=0x10, executed=True))
    with pytest.raises((NoAnswer, ConnectionCut, BadAnswer)):
        await write(client, CURRENT_LIMIT, 8.0)
    await asyncio.sleep(0.3)
    assert wire(simulator) == [(0x10, 1000, 2)]


async def test_single_failures_are_retried(
    simulator: Simulator, client: Client
) -> None:
    """A poll is retried immediately after a single failure."""
    await client.poll()
    for kind in (FaultKind.DROP, FaultKind.MUTE, FaultKind.GARBAGE):
        simulator.faults.append(Fault(kind=kind, times=1))
        await client.poll()


async def test_an_outage_fails_fast(simulator: Simulator, client: Client) -> None:
    """During an outage each poll connects once."""
    await client.poll()
    simulator.faults.append(Fault(kind=FaultKind.GARBAGE))
    with pytest.raises(BadAnswer):
        await client.poll()
    await asyncio.sleep(0.2)
    simulator.log.clear()
    with pytest.raises(BadAnswer):
        await client.poll()
    assert len(simulator.log) == 1
    simulator.faults.clear()
    await simulator.stop()
    start = time.monotonic()
    with pytest.raises(CannotConnect):
        await client.poll()
    assert time.monotonic() - start < 0.3
    await simulator.start()
    await client.poll()


async def test_connecting_is_retried(simulator: Simulator, client: Client) -> None:
    """Connecting is retried until the charger has dropped the last client."""
    other = Endpoint(simulator.host, simulator.port)
    await Client(other, 200).identify()
    other.close()
    await client.poll()


async def test_another_client_holds_the_charger(
    simulator: Simulator, client: Client
) -> None:
    """Connections that are closed repeatedly raise InUse."""
    other = Endpoint(simulator.host, simulator.port)
    await Client(other, 200).identify()
    with pytest.raises(InUse):
        await client.poll()
    other.close()
    await asyncio.sleep(0.2)
    await client.poll()


async def test_charger_is_off(simulator: Simulator, client: Client) -> None:
    """Without power connecting fails, and the next poll recovers."""
    await client.poll()
    await simulator.stop()
    with pytest.raises(CannotConnect):
        await client.poll()
    await simulator.start()
    assert (await client.poll()).reading.status is ChargePointState.AVAILABLE


async def test_two_clients_share_a_connection(
    simulator: Simulator, endpoint: Endpoint, client: Client
) -> None:
    """Two clients of an endpoint share one connection."""
    await client.poll()
    identity = await Client(endpoint, 200).identify()
    assert identity.serial_number == SERIAL
    await client.poll()


def test_simulated_chargers_differ() -> None:
    """The simulator has the serial number of the tests."""
    assert SimulatedCharger().serial_number == SERIAL
