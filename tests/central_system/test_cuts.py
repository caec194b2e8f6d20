"""Each message is cut on a real socket, before and after its answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from enum import Enum, auto
import json
from typing import Any

import aiohttp
from ocpp.v16.enums import MessageTrigger
import pytest

from custom_components.nexblue_local.central_system.charge_point import ChargePoint
from custom_components.nexblue_local.central_system.errors import CommandError, ErrorKey
from custom_components.nexblue_local.central_system.events import (
    TagPresented,
    TransactionEnded,
    TransactionStarted,
)
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.central_system.tolerance import Status
from tests.waiting import until

from .client import Client, NotAnswered
from .fakes import CARD, ID, PASSWORD, Home, shown
from .proxy import CUT, Proxy, Step, no_harm
from .web import web_server


class Cut(Enum):
    """When a message is cut."""

    NOT_RECEIVED = auto()
    """In the middle of it."""
    NOT_ANSWERED = auto()
    """It was processed, and its answer is lost."""
    ANSWERED = auto()
    """The answer was the last that came through."""


@pytest.fixture
async def proxy(socket_enabled: None, central: CentralSystem) -> AsyncIterator[Proxy]:
    """Return a proxy before the central system."""
    async with web_server(central) as url, Proxy(url).listening() as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    """Return a charge point that has booted over the proxy."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, proxy.url, ID, PASSWORD)
        await client.connect()
        yield client
        client.hang_up()


async def deliver(proxy: Proxy, client: Client, cut: Cut, message: Any) -> Any:
    """Send a message that is cut, and again if it was not answered."""

    def harm(to_central: bool, received: bytes) -> Iterable[Step]:
        if to_central and cut is Cut.NOT_RECEIVED:
            return received[: len(received) // 2], CUT
        return (received,) if to_central else (CUT,)

    action, payload = message
    if cut is Cut.ANSWERED:
        answer = await client.call(action, payload)
        proxy.cut()
        client.hang_up()
        return answer
    proxy.harm = harm
    with pytest.raises(NotAnswered):
        await client.call(action, payload)
    proxy.harm = no_harm
    client.hang_up()
    return await client.deliver(action, payload)


def sample(wh: int) -> list[dict[str, Any]]:
    """Return meter values with an energy."""
    return [{"timestamp": "2026-11-26T12:00:00Z", "sampledValue": [{"value": f"{wh}"}]}]


START = {
    "connectorId": 1,
    "idTag": CARD,
    "meterStart": 1000,
    "timestamp": "2026-11-26T12:00:00Z",
}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}

type Check = Callable[[Home, ChargePoint], object]


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize(
    ("action", "payload", "answer", "check"),
    [
        (
            "BootNotification",
            {"chargePointVendor": "Other", "chargePointModel": "M2"},
            {"status": "Accepted", "interval": 300},
            lambda home, point: point.state.boot.model == "M2",
        ),
        ("Heartbeat", {}, {"currentTime": "2026-11-26T12:00:00Z"}, lambda *_: True),
        (
            "StatusNotification",
            {"connectorId": 1, "status": "Preparing", "errorCode": "NoError"},
            {},
            lambda home, point: point.state.status is Status.PREPARING,
        ),
        (
            "Authorize",
            {"idTag": CARD},
            ACCEPTED,
            lambda home, point: home.seen(TagPresented)[-1].name == "Blue card",
        ),
        (
            "StartTransaction",
            START,
            ACCEPTED,
            lambda home, point: (
                len(home.seen(TransactionStarted)) == 1
                and len(home.disk["charge_points"][ID]["transactions"]["open"]) == 1
                and home.disk["transaction_number"] == point.state.transaction.number
            ),
        ),
        (
            "MeterValues",
            {"connectorId": 1, "transactionId": -1, "meterValue": sample(1200)},
            {},
            lambda home, point: point.state.transaction.energy == 200,
        ),
        (
            "StopTransaction",
            {"meterStop": 1500, "timestamp": "2026-11-26T12:00:00Z"},
            {},
            lambda home, point: (
                [each.energy_wh for each in home.ledger.sessions()] == [500]
                and len(home.seen(TransactionEnded)) == 1
                and point.state.transaction is None
            ),
        ),
        (
            "DataTransfer",
            {"vendorId": "Other"},
            {"status": "UnknownVendorId"},
            lambda *_: True,
        ),
        (
            "FirmwareStatusNotification",
            {"status": "Installing"},
            {},
            lambda home, point: point.state.firmware_status == "Installing",
        ),
        (
            "DiagnosticsStatusNotification",
            {"status": "Uploading"},
            {},
            lambda home, point: point.state.diagnostics_status == "Uploading",
        ),
    ],
)
async def test_messages_of_the_charge_point(
    home: Home,
    central: CentralSystem,
    proxy: Proxy,
    client: Client,
    action: str,
    payload: dict[str, Any],
    answer: dict[str, Any],
    check: Check,
    cut: Cut,
) -> None:
    """Repeated or not, each has its effect once, and a session its energy to the Wh."""
    if action in ("MeterValues", "StopTransaction"):
        number = (await client.call("StartTransaction", START))["transactionId"]
        payload = payload | {"transactionId": number}
    if action == "BootNotification":
        client.boot = payload
    received = await deliver(proxy, client, cut, (action, payload))
    assert received.items() >= answer.items()
    # One that was answered was processed before, and nothing of it is lost after.
    assert (await client.deliver("Heartbeat", {}))["currentTime"] == shown(home.time)
    assert check(home, central.charge_points[ID])
    assert not client.requests
    await ended(central, client)


async def ended(central: CentralSystem, client: Client) -> None:
    """Hang up; nothing of the connections is left soon after."""
    client.hang_up()
    await until(lambda: not central._conversations)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize(
    ("command", "action", "answer"),
    [
        (
            lambda point: point.start(),
            "RemoteStartTransaction",
            {"status": "Accepted"},
        ),
        (lambda point: point.stop(), "RemoteStopTransaction", {"status": "Accepted"}),
        (lambda point: point.commands.reset(), "Reset", {"status": "Accepted"}),
        (
            lambda point: point.commands.unlock_connector(),
            "UnlockConnector",
            {"status": "Unlocked"},
        ),
        (
            lambda point: point.commands.change_availability(is_operative=False),
            "ChangeAvailability",
            {"status": "Accepted"},
        ),
        (
            lambda point: point.commands.get_configuration(),
            "GetConfiguration",
            {"configurationKey": []},
        ),
        (
            lambda point: point.commands.trigger_message(MessageTrigger.heartbeat),
            "TriggerMessage",
            {"status": "Accepted"},
        ),
    ],
)
async def test_commands(
    home: Home,
    central: CentralSystem,
    proxy: Proxy,
    client: Client,
    command: Callable[[ChargePoint], Awaitable[object]],
    action: str,
    answer: dict[str, Any],
    cut: Cut,
) -> None:
    """The caller learns at once that the link was lost; nothing is sent again."""
    point = central.charge_points[ID]
    await client.call("StartTransaction", START)

    def harm(to_central: bool, received: bytes) -> Iterable[Step]:
        if not to_central and cut is Cut.NOT_RECEIVED:
            return received[: len(received) // 2], CUT
        return (CUT,) if to_central and cut is Cut.NOT_ANSWERED else (received,)

    proxy.harm = harm
    task = asyncio.ensure_future(command(point))
    if cut is Cut.NOT_RECEIVED:
        with pytest.raises(NotAnswered):
            await client.receive()
    else:
        _, message_id, sent, _ = await client.receive()
        assert sent == action
        await client.send(json.dumps([3, message_id, answer]))
    async with asyncio.timeout(1):
        if cut is Cut.ANSWERED:
            await task
        else:
            with pytest.raises(CommandError) as error:
                await task
            assert error.value.key is ErrorKey.CONNECTION_LOST
            assert error.value.action == action
    proxy.harm = no_harm
    await client.connect()
    assert "currentTime" in await client.deliver("Heartbeat", {})
    assert not client.requests
    # It is not known whether it was carried out: the charge point says so.
    assert point.state.transaction is not None
    own = await client.call("Authorize", {"idTag": "HOMEASSISTANT"})
    is_started = action == "RemoteStartTransaction"
    assert own["idTagInfo"]["status"] == ("Accepted" if is_started else "Invalid")
    await ended(central, client)
