"""Forward connections between a network namespace and the rest of the machine.

A Unix socket can be reached from both sides, a TCP port only from its own side.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from pathlib import Path

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
type Connect = Callable[[], Awaitable[Streams]]
type Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until either end closes its connection."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _forward(client: Streams, connect: Connect) -> None:
    """Forward both directions of a connection to a second one."""
    async with contextlib.AsyncExitStack() as stack:
        # Closing would wait until the other end accepts what is still buffered.
        stack.callback(client[1].transport.abort)
        try:
            server = await connect()
        except OSError:  # Nothing listens there yet, or no longer.
            return
        stack.callback(server[1].transport.abort)
        await asyncio.gather(_copy(client[0], server[1]), _copy(server[0], client[1]))


@contextlib.asynccontextmanager
async def _listening(
    listen: Callable[[Accept], Awaitable[asyncio.Server]], connect: Connect
) -> AsyncIterator[None]:
    """Forward each accepted connection; close all of them at the end."""
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_forward((reader, writer), connect))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await listen(accept)
    try:
        yield
    finally:
        server.close()
        # `Server.wait_closed` waits for open connections, and a browser keeps its own open.
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def port_to_socket(host: str, port: int, path: Path) -> AsyncIterator[None]:
    """Listen on a TCP port and forward its connections to a Unix socket."""
    async with _listening(
        lambda accept: asyncio.start_server(accept, host, port),
        lambda: asyncio.open_unix_connection(path),
    ):
        yield


@contextlib.asynccontextmanager
async def socket_to_port(path: Path, host: str, port: int) -> AsyncIterator[None]:
    """Listen on a Unix socket and forward its connections to a TCP port."""
    async with _listening(
        lambda accept: asyncio.start_unix_server(accept, path),
        lambda: asyncio.open_connection(host, port),
    ):
        yield
