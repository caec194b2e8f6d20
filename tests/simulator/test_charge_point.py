"""The simulated charger with both links, which agree."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from aiohttp import web
import pytest

from custom_components.nexblue_local.central_system.charge_point import (
    ChargePoint as Seen,
)
from custom_components.nexblue_local.central_system.errors import CommandError
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.ledger.session import EndReason
from custom_components.nexblue_local.modbus.enums import ChargePointState
from custom_components.nexblue_local.modbus.errors import Refused
from custom_components.nexblue_local.modbus.transport import Connection
from simulator import Car, ChargePoint, Simulator
from tests.central_system.fakes import CARD, PASSWORD, Home
from tests.central_system.web import web_server
from tests.conftest import SERIAL
from tests.waiting import until

START_STOP = 1006
STOP, START = 0, 1


@pytest.fixture
async def home() -> Home:
    """Return what surrounds the central system, at the present time."""
    home = Home()
    home.time = datetime.now(UTC)
    return home


@pytest.fixture
async def central(home: Home) -> CentralSystem:
    """Return a central system that has adopted the charger."""
    central = home.central_system()
    await central.adopt(SERIAL, SERIAL)
    return central


@pytest.fixture
async def charge_point(
    simulator: Simulator, central: CentralSystem
) -> AsyncIterator[ChargePoint]:
    """Return the second link of the simulated charger, connected."""
    async with (
        web_server(central) as url,
        ChargePoint(
            charger=simulator.charger,
            url=url,
            password=PASSWORD,
            sample_interval=0.3,
            retry_after=0.1,
        ) as charge_point,
    ):
        await until(lambda: charge_point.is_connected)
        yield charge_point


@pytest.fixture
def seen(central: CentralSystem, charge_point: ChargePoint) -> Seen:
    """Return the charge point as the central system sees it."""
    return central.charge_points[SERIAL]


@pytest.fixture
async def modbus(simulator: Simulator) -> AsyncIterator[Connection]:
    """Return a connection to the charger's registers."""
    connection = await Connection.open(simulator.host, simulator.port)
    yield connection
    connection.close()
    await asyncio.sleep(0.05)


async def test_both_links(
    home: Home,
    simulator: Simulator,
    charge_point: ChargePoint,
    seen: Seen,
    modbus: Connection,
) -> None:
    """START over Modbus is refused, OCPP starts and stops, and register 100 shows it."""
    charger = simulator.charger
    charger.plug_in(Car())
    charger._preparing_until = 0
    await until(lambda: seen.state.status == "preparing")
    with pytest.raises(Refused):
        await modbus.write(simulator.unit_id, START_STOP, [START])
    await seen.start()
    await until(lambda: charger.state is ChargePointState.CHARGING)
    await until(lambda: seen.state.status == "charging")
    await until(lambda: seen.state.meter_values.power)
    await seen.stop()
    await until(home.ledger.sessions)
    [session] = home.ledger.sessions(SERIAL)
    assert session.end_reason is EndReason.REMOTE
    [state] = await modbus.read_input(simulator.unit_id, 100, 1)
    assert state == ChargePointState.FINISHING
    await until(lambda: seen.state.status == "finishing")
    assert seen.state.meter_values.power == 0


async def test_cards(
    home: Home, simulator: Simulator, charge_point: ChargePoint, seen: Seen
) -> None:
    """A card starts and ends a transaction; without one, nothing charges."""
    charger = simulator.charger
    charger.plug_in(Car())
    charger._preparing_until = 0
    await charge_point.present("STRANGER")
    await asyncio.sleep(0.5)
    assert charger.state is ChargePointState.PREPARING
    await charge_point.present(CARD)
    await until(lambda: charger.state is ChargePointState.CHARGING)
    await charge_point.present(CARD)
    await until(home.ledger.sessions)
    [session] = home.ledger.sessions(SERIAL)
    assert (session.tag, session.end_reason) == ("Blue card", EndReason.LOCAL)


async def test_offline(
    home: Home,
    simulator: Simulator,
    charge_point: ChargePoint,
    seen: Seen,
    modbus: Connection,
) -> None:
    """A session that ends without a connection is told later; Modbus may stop then."""
    charger = simulator.charger
    charger.plug_in(Car())
    charger._preparing_until = 0
    await charge_point.present(CARD)
    await until(lambda: charger.state is ChargePointState.CHARGING)
    await charge_point.go_offline(1)
    await until(lambda: not seen.state.is_connected)
    with pytest.raises(CommandError):
        await seen.stop()
    await modbus.write(simulator.unit_id, START_STOP, [STOP])
    await until(lambda: charger.state is ChargePointState.FINISHING)
    charger.unplug()
    home.time += timedelta(seconds=1)
    await until(home.ledger.sessions)
    [session] = home.ledger.sessions(SERIAL)
    assert session.end_reason is EndReason.UNPLUGGED


async def test_power_cut(
    home: Home, simulator: Simulator, charge_point: ChargePoint, seen: Seen
) -> None:
    """The charger says afterwards why the transaction ended."""
    charger = simulator.charger
    charger.plug_in(Car())
    await charge_point.present(CARD)
    await until(lambda: charger.state is ChargePointState.CHARGING)
    await simulator.power_cycle(0)
    await until(home.ledger.sessions)
    [session] = home.ledger.sessions(SERIAL)
    assert session.end_reason is EndReason.POWER_LOSS
    await until(lambda: seen.state.is_connected)
    await until(lambda: charger.state is ChargePointState.PREPARING)


async def test_commands(charge_point: ChargePoint, seen: Seen) -> None:
    """The simulated charger carries out what it is asked."""
    assert not seen.state.transaction
    configuration = await seen.commands.get_configuration()
    assert configuration["NumberOfConnectors"].value == "1"
    await seen.commands.change_configuration("HeartbeatInterval", "10")
    assert charge_point.configuration["HeartbeatInterval"] == "10"
    await seen.send_local_list()
    assert CARD in charge_point.local_list
    await seen.commands.change_availability(is_operative=False)
    await until(lambda: seen.state.is_operative is False)
    await seen.commands.reset()
    await until(lambda: not seen.state.is_connected)
    await until(lambda: seen.state.is_connected)


async def test_cut_before_an_answer(simulator: Simulator, socket_enabled: None) -> None:
    """A connection that is lost while an answer is missing is made again."""
    connections = 0

    async def connect(request: web.Request) -> web.WebSocketResponse:
        nonlocal connections
        connections += 1
        websocket = web.WebSocketResponse(protocols=("ocpp1.6",))
        await websocket.prepare(request)
        await websocket.receive()
        await websocket.close()
        return websocket

    application = web.Application()
    application.router.add_get("/{charge_point_id}", connect)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with ChargePoint(charger=simulator.charger, url=url, retry_after=0.05):
            await until(lambda: connections > 2)
    finally:
        await runner.cleanup()
