"""The central system on real WebSockets, with the ocpp library as a charge point."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
import logging
from typing import Any
from unittest.mock import patch

import aiohttp
from ocpp import messages
from ocpp.routing import on
from ocpp.v16 import ChargePoint as LibraryChargePoint, call, call_result
from ocpp.v16.enums import (
    Action,
    AuthorizationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    RegistrationStatus,
    RemoteStartStopStatus,
)
import pytest

from custom_components.nexblue_local.central_system.errors import CommandError, ErrorKey
from custom_components.nexblue_local.central_system.messages import MAX_MESSAGE
from custom_components.nexblue_local.central_system.server import CentralSystem
from tests.library_connection import Connection
from tests.waiting import until

from .client import credentials
from .fakes import CARD, ID, PASSWORD, Home
from .web import web_server


@pytest.fixture
async def url(
    socket_enabled: None, home: Home, central: CentralSystem
) -> AsyncIterator[str]:
    """Return the URL of the central system."""
    home.time = datetime.now(UTC)
    async with web_server(central) as url:
        yield url


@pytest.fixture
async def client(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Return what opens WebSockets."""
    async with aiohttp.ClientSession() as session:
        yield session


class StrictCharger(LibraryChargePoint):
    """A charge point of the ocpp library, which checks what it is sent."""

    @on(Action.remote_start_transaction)  # type: ignore[untyped-decorator]
    def on_remote_start(self, **_: Any) -> call_result.RemoteStartTransaction:
        """Accept."""
        status = RemoteStartStopStatus.accepted
        return call_result.RemoteStartTransaction(status=status)

    @on(Action.remote_stop_transaction)  # type: ignore[untyped-decorator]
    def on_remote_stop(self, **_: Any) -> call_result.RemoteStopTransaction:
        """Refuse."""
        status = RemoteStartStopStatus.rejected
        return call_result.RemoteStopTransaction(status=status)


def now() -> str:
    """Return the time as the library sends it."""
    return datetime.now(UTC).isoformat()


async def charge(charger: StrictCharger, charge_point_id: str) -> int:
    """Charge 500 Wh, as the library says it; return the number."""
    boot = await charger.call(
        call.BootNotification(
            charge_point_model="Model",
            charge_point_vendor="Vendor",
            charge_point_serial_number=charge_point_id,
        )
    )
    assert boot.status == RegistrationStatus.accepted
    await charger.call(call.Heartbeat())
    await charger.call(
        call.StatusNotification(
            connector_id=1,
            error_code=ChargePointErrorCode.no_error,
            status=ChargePointStatus.preparing,
        )
    )
    authorized = await charger.call(call.Authorize(id_tag=CARD))
    assert authorized.id_tag_info["status"] == AuthorizationStatus.accepted
    started = await charger.call(
        call.StartTransaction(
            connector_id=1, id_tag=CARD, meter_start=1000, timestamp=now()
        )
    )
    values = [{"timestamp": now(), "sampled_value": [{"value": "1200"}]}]
    await charger.call(call.MeterValues(connector_id=1, meter_value=values))
    await charger.call(call.DataTransfer(vendor_id="Vendor"))
    stop = call.StopTransaction(
        meter_stop=1500, timestamp=now(), transaction_id=started.transaction_id
    )
    await charger.call(stop)
    number: int = started.transaction_id
    return number


async def test_charge_points_of_another_maker(
    home: Home,
    central: CentralSystem,
    client: aiohttp.ClientSession,
    url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Fifty at once charge, and each finds its transaction in the ledger to the Wh."""

    async def run(charge_point_id: str) -> int:
        async with client.ws_connect(
            f"{url}/{charge_point_id}",
            protocols=("ocpp1.6",),
            headers=credentials(charge_point_id, PASSWORD),
        ) as websocket:
            assert websocket.protocol == "ocpp1.6"
            charger = StrictCharger(charge_point_id, Connection(websocket))
            task = asyncio.create_task(charger.start())
            number = await charge(charger, charge_point_id)
            point = central.charge_points[charge_point_id]
            await point.start()
            await charger.call(
                call.StartTransaction(
                    connector_id=1,
                    id_tag="HOMEASSISTANT",
                    meter_start=1500,
                    timestamp=now(),
                )
            )
            with pytest.raises(CommandError) as error:
                await point.stop()
            assert error.value.key is ErrorKey.REFUSED
            task.cancel()
            return number

    caplog.set_level(logging.WARNING, "ocpp")
    ids = [f"charger {number}" for number in range(50)]
    for each in ids:
        await central.adopt(each, each)
    # In threads, the library checks messages at a multiple of the cost.
    with patch.object(messages, "ASYNC_VALIDATION", new=False):
        numbers = await asyncio.gather(*map(run, ids))
    assert len(set(numbers)) == 50
    for each, number in zip(ids, numbers, strict=True):
        [session] = home.ledger.sessions(each)
        assert (session.transaction_id, session.energy_wh) == (number, 500)


@pytest.mark.parametrize(
    ("headers", "protocols", "status"),
    [
        ({}, ("ocpp1.6",), 401),
        (credentials(ID, "wrong"), ("ocpp1.6",), 401),
        (credentials(ID, PASSWORD), ("ocpp2.0.1",), 400),
    ],
)
async def test_refused(
    client: aiohttp.ClientSession,
    url: str,
    headers: dict[str, str],
    protocols: tuple[str, ...],
    status: int,
) -> None:
    """Who has no right to connect is told why."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        await client.ws_connect(f"{url}/{ID}", protocols=protocols, headers=headers)
    assert error.value.status == status


@pytest.mark.parametrize("is_text", [False, True])
async def test_messages_that_are_none(
    central: CentralSystem,
    client: aiohttp.ClientSession,
    url: str,
    *,
    is_text: bool,
) -> None:
    """One that is too long, or binary, closes the connection."""
    async with client.ws_connect(
        f"{url}/{ID}", headers=credentials(ID, PASSWORD)
    ) as websocket:
        if is_text:
            await websocket.send_str("x" * (MAX_MESSAGE + 1))
        else:
            await websocket.send_bytes(b"x")
        async with asyncio.timeout(5):
            message = await websocket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
    await until(lambda: not central.charge_points[ID].state.is_connected)


async def test_the_central_system_ends(
    central: CentralSystem, client: aiohttp.ClientSession, url: str
) -> None:
    """Its connections are closed, and no other one is served."""
    async with client.ws_connect(
        f"{url}/{ID}", headers=credentials(ID, PASSWORD)
    ) as websocket:
        await asyncio.gather(central.close(), websocket.receive())
        assert websocket.closed
    assert not central.charge_points[ID].state.is_connected
    async with client.ws_connect(
        f"{url}/{ID}", headers=credentials(ID, PASSWORD)
    ) as websocket:
        assert (await websocket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_cut_while_it_is_stored(
    home: Home, central: CentralSystem, client: aiohttp.ClientSession, url: str
) -> None:
    """The web server cancels its request; what was received is processed to its end."""
    home.may_write.clear()
    websocket = await client.ws_connect(
        f"{url}/{ID}", headers=credentials(ID, PASSWORD)
    )
    await websocket.send_str(
        '[2,"1","StartTransaction",{"connectorId":1,"idTag":"X","meterStart":0}]'
    )
    await until(lambda: central.charge_points[ID].state.last_seen is not None)
    assert websocket._response.connection is not None
    assert websocket._response.connection.transport is not None
    websocket._response.connection.transport.abort()
    await asyncio.sleep(0.1)
    home.may_write.set()
    await until(lambda: home.disk["charge_points"][ID]["transactions"]["open"])
    await until(lambda: not central.charge_points[ID].state.is_connected)
