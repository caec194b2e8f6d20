"""Test endpoints and the connection pool on real sockets."""

import asyncio
import socket
from typing import Any
from unittest.mock import patch

import pytest

from custom_components.nexblue_local.modbus.connection_pool import (
    ConnectionPool,
    Endpoint,
)
from custom_components.nexblue_local.modbus.errors import CannotConnect
from simulator import Simulator
from tests.conftest import HOST


async def test_an_endpoint_has_one_connection(simulator: Simulator) -> None:
    """Concurrent calls of connect return the same connection."""
    endpoint = Endpoint(simulator.host, simulator.port)
    first, second = await asyncio.gather(endpoint.connect(), endpoint.connect())
    assert first is second
    endpoint.disconnect()
    assert not first.is_open
    await asyncio.sleep(0.2)
    assert await endpoint.connect() is not first
    endpoint.close()


async def test_a_closed_endpoint_stays_closed(simulator: Simulator) -> None:
    """A closed endpoint does not connect, and closes a connection in progress."""
    endpoint = Endpoint(simulator.host, simulator.port)
    connecting = asyncio.create_task(endpoint.connect())
    await asyncio.sleep(0)
    endpoint.close()
    with pytest.raises(CannotConnect):
        await connecting
    with pytest.raises(CannotConnect):
        await endpoint.connect()
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_users_share_an_endpoint(simulator: Simulator) -> None:
    """All users of a host and port share an endpoint, which the last one closes."""
    pool = ConnectionPool()
    endpoint = pool.acquire(HOST, simulator.port)
    assert pool.acquire(HOST, simulator.port) is endpoint
    other = pool.acquire(HOST, simulator.port + 1)
    assert other is not endpoint
    pool.release(other)

    connection = await endpoint.connect()
    pool.release(endpoint)
    still_open = connection.is_open
    pool.release(endpoint)
    assert (still_open, connection.is_open) == (True, False)

    endpoint = pool.acquire(HOST, simulator.port)
    await asyncio.sleep(0.2)
    connection = await endpoint.connect()
    pool.close()
    assert not connection.is_open
    with pytest.raises(CannotConnect):
        await pool.acquire("localhost", simulator.port).connect()


async def test_another_name_of_an_address(simulator: Simulator) -> None:
    """An endpoint acquired by its address is that of the name already in use."""
    pool = ConnectionPool()
    endpoint = pool.acquire(HOST, simulator.port)
    assert await pool.acquire_by_address("localhost", simulator.port) is endpoint
    await endpoint.connect()
    assert await pool.acquire_by_address("localhost", simulator.port) is endpoint
    assert endpoint.users == 3
    other = await pool.acquire_by_address("localhost", simulator.port + 1)
    assert other is not endpoint
    with patch.object(
        asyncio.get_running_loop(), "getaddrinfo", side_effect=socket.gaierror
    ):
        other = await pool.acquire_by_address("name.invalid", simulator.port)
    assert other is not endpoint
    pool.close()


async def test_an_endpoint_that_is_released_during_a_lookup(
    simulator: Simulator,
) -> None:
    """The endpoint that is acquired is open, and can be released."""
    pool = ConnectionPool()
    released = pool.acquire(HOST, simulator.port)
    acquiring = asyncio.create_task(
        pool.acquire_by_address("localhost", simulator.port)
    )
    await asyncio.sleep(0)
    pool.release(released)
    endpoint = await acquiring
    assert (await endpoint.connect()).is_open
    pool.release(endpoint)
    assert endpoint.is_closed


async def test_hosts_are_resolved_at_the_same_time(socket_enabled: None) -> None:
    """A slow lookup delays no other endpoint, and each connect makes one."""
    count = 20
    barrier = asyncio.Barrier(count)
    hosts: list[str] = []

    async def getaddrinfo(host: str, *args: object, **kwargs: object) -> list[Any]:
        hosts.append(host)
        await barrier.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, 0))]

    async with await asyncio.start_server(lambda *_: None, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        pool = ConnectionPool()
        endpoints = [pool.acquire(f"charger-{i}.test", port) for i in range(count)]
        with patch.object(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo):
            async with asyncio.timeout(5):
                await asyncio.gather(*(endpoint.connect() for endpoint in endpoints))
        pool.close()
    assert sorted(hosts) == sorted(endpoint.host for endpoint in endpoints)
