"""Sessions over a network that cuts, delays, duplicates and garbles."""

import asyncio
from collections.abc import Iterator
import contextlib
from datetime import timedelta
from pathlib import Path
import random
from unittest.mock import patch

import aiohttp
import pytest

from custom_components.nexblue_local.central_system import conversation
from custom_components.nexblue_local.central_system.server import CentralSystem
from tests.waiting import until

from .client import Client
from .fakes import CARD, PASSWORD, Home, shown
from .proxy import BadNetwork, Proxy
from .web import web_server

CHARGE_POINTS = 5
SESSIONS = 12
"""Sessions of each charge point."""
PATIENCE = 0.25
"""s that a charge point waits for an answer."""


@pytest.fixture(autouse=True)
def _short_close() -> Iterator[None]:
    """Do not wait long for the other end of a connection that is dead."""
    with patch.object(conversation, "CLOSE_TIMEOUT", 0.2):
        yield


async def charge(client: Client, home: Home, seed: str) -> list[tuple[int, float]]:
    """Run sessions; return the number and the energy in Wh of each."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    meter = 0
    sessions = []
    for _ in range(SESSIONS):
        home.time += timedelta(seconds=1)
        await client.deliver("Authorize", {"idTag": CARD})
        start = {"connectorId": 1, "idTag": CARD, "meterStart": meter}
        started = await client.deliver(
            "StartTransaction", start | {"timestamp": shown(home.time)}
        )
        number = started["transactionId"]
        begin = meter
        for _ in range(2):
            meter += chance.randrange(5000)
            sampled = [{"value": str(meter)}]
            value = {"timestamp": shown(home.time), "sampledValue": sampled}
            values = {"connectorId": 1, "transactionId": number, "meterValue": [value]}
            await client.deliver("MeterValues", values)
        meter += chance.randrange(5000)
        stop = {"transactionId": number, "meterStop": meter}
        await client.deliver("StopTransaction", stop | {"timestamp": shown(home.time)})
        sessions.append((number, float(meter - begin)))
    client.hang_up()
    return sessions


def sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        # The one that lists the folder is gone by now.
        with contextlib.suppress(FileNotFoundError):
            count += str(each.readlink()).startswith("socket:")
    return count


@pytest.mark.parametrize("seed", [1, 2])
async def test_sessions(
    socket_enabled: None, home: Home, central: CentralSystem, seed: int
) -> None:
    """Each is in the ledger once and to the Wh, whatever the network does."""
    network = BadNetwork(seed, share=0.12, slowest=1.2 * PATIENCE)
    before = len(asyncio.all_tasks())
    async with (
        web_server(central) as url,
        Proxy(url).listening() as proxy,
        aiohttp.ClientSession() as session,
    ):
        open_before = sockets()
        proxy.harm = network
        clients = []
        for number in range(CHARGE_POINTS):
            name = f"CP{number}"
            await central.adopt(name, name)
            clients.append(
                Client(session, proxy.url, name, PASSWORD, patience=PATIENCE)
            )
        done = await asyncio.gather(
            *(charge(each, home, f"{seed} {each.id}") for each in clients)
        )
        assert len(network.done) == 8
        assert sum(network.done.values()) > 60
        for client, sessions in zip(clients, done, strict=True):
            found = [
                (each.transaction_id, each.energy_wh)
                for each in home.ledger.sessions(client.id)
            ]
            assert found == sessions
            assert not client.requests
            assert central.charge_points[client.id].state.transaction is None
        numbers = {number for sessions in done for number, _ in sessions}
        assert len(numbers) == CHARGE_POINTS * SESSIONS
        # Of those whose other end is silent, no more than the latest of each is left.
        await until(lambda: len(central._conversations) <= CHARGE_POINTS)
        # It is as usable as before, and nothing is left of the connections.
        proxy.cut()
        fresh = Client(session, url, "CP0", PASSWORD)
        assert "currentTime" in await fresh.deliver("Heartbeat", {})
        fresh.hang_up()
        await until(lambda: not central._conversations and sockets() <= open_before)
    assert len(asyncio.all_tasks()) == before
