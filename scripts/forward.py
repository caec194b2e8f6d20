"""Carries connections between a network namespace and this machine.

A Unix socket is reachable from both sides, a TCP port from its own side only.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from pathlib import Path

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _carrier(
    connect: Callable[[], Awaitable[Streams]],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a handler that carries each connection on to another one."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await connect()
        except OSError:  # The other side is not up yet, or not any more.
            writer.close()
            return
        await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))

    return carry


@contextlib.asynccontextmanager
async def port_to_socket(host: str, port: int, path: Path) -> AsyncIterator[None]:
    """Carry connections to a TCP port on to a Unix socket."""
    async with await asyncio.start_server(
        _carrier(lambda: asyncio.open_unix_connection(path)), host, port
    ):
        yield


@contextlib.asynccontextmanager
async def socket_to_port(path: Path, host: str, port: int) -> AsyncIterator[None]:
    """Carry connections to a Unix socket on to a TCP port."""
    async with await asyncio.start_unix_server(
        _carrier(lambda: asyncio.open_connection(host, port)), path
    ):
        yield
