"""Forwarding between a TCP port and a Unix socket, on real sockets."""

import asyncio
import contextlib
from pathlib import Path
import signal
import sys

import pytest
from pytest_socket import socket_allow_hosts

from scripts.forward import port_to_socket, socket_to_port
from scripts.home_assistant import free_port

HOST = "127.0.0.1"
TIMEOUT = 5.0
FORWARD = """\
import asyncio
from pathlib import Path
import sys

from scripts.forward import port_to_socket

async def main():
    async with port_to_socket("127.0.0.1", int(sys.argv[1]), Path(sys.argv[2])):
        print("listening", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _unix_sockets(socket_enabled: None) -> None:
    """Allow connections to Unix sockets, which the test plugin blocks."""
    socket_allow_hosts([HOST], allow_unix_socket=True)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back until the client closes the connection."""
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


async def check_echo(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Check that a message goes through and comes back."""
    writer.write(b"hello")
    async with asyncio.timeout(TIMEOUT):
        assert await reader.readexactly(5) == b"hello"


async def check_closed(reader: asyncio.StreamReader) -> None:
    """Check that the other end closed the connection."""
    async with asyncio.timeout(TIMEOUT):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_port_to_socket(tmp_path: Path, unused_tcp_port: int) -> None:
    """An open connection is closed at the end, and does not delay it."""
    path = tmp_path / "socket"
    server = await asyncio.start_unix_server(echo, path)
    async with asyncio.timeout(TIMEOUT):
        async with port_to_socket(HOST, unused_tcp_port, path):
            reader, writer = await asyncio.open_connection(HOST, unused_tcp_port)
            await check_echo(reader, writer)
        await check_closed(reader)
    writer.close()
    server.close()


async def test_socket_to_port(tmp_path: Path, unused_tcp_port: int) -> None:
    """An open connection is closed at the end, and does not delay it."""
    path = tmp_path / "socket"
    server = await asyncio.start_server(echo, HOST, unused_tcp_port)
    async with asyncio.timeout(TIMEOUT):
        async with socket_to_port(path, HOST, unused_tcp_port):
            reader, writer = await asyncio.open_unix_connection(path)
            await check_echo(reader, writer)
        await check_closed(reader)
    writer.close()
    server.close()


async def test_client_that_does_not_read(tmp_path: Path, unused_tcp_port: int) -> None:
    """Data that the client does not accept does not delay the end."""
    path = tmp_path / "socket"
    flooded = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(1_000_000))
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                flooded.set()
                return

    server = await asyncio.start_unix_server(flood, path)
    async with asyncio.timeout(TIMEOUT):
        async with port_to_socket(HOST, unused_tcp_port, path):
            _, writer = await asyncio.open_connection(HOST, unused_tcp_port)
            await flooded.wait()
    writer.close()
    server.close()


async def test_nothing_to_connect_to(tmp_path: Path, unused_tcp_port: int) -> None:
    """The connection is closed when there is nothing behind it."""
    async with port_to_socket(HOST, unused_tcp_port, tmp_path / "socket"):
        reader, writer = await asyncio.open_connection(HOST, unused_tcp_port)
        await check_closed(reader)
    writer.close()


async def test_closed_by_the_server(tmp_path: Path, unused_tcp_port: int) -> None:
    """The client receives everything that was sent before the server closed."""
    path = tmp_path / "socket"
    sent = bytes(1_000_000)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    server = await asyncio.start_unix_server(hang_up, path)
    async with port_to_socket(HOST, unused_tcp_port, path):
        reader, writer = await asyncio.open_connection(HOST, unused_tcp_port)
        async with asyncio.timeout(TIMEOUT):
            assert await reader.read() == sent
    writer.close()
    server.close()


async def test_sigint_with_an_open_connection(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    """Ctrl-C ends the process at once, and its port can be used again."""
    path = tmp_path / "socket"
    server = await asyncio.start_unix_server(echo, path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", FORWARD, str(unused_tcp_port), str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"listening\n"
        reader, writer = await asyncio.open_connection(HOST, unused_tcp_port)
        await check_echo(reader, writer)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(TIMEOUT):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # Its connection is not over yet for the operating system.
    assert free_port(unused_tcp_port) == unused_tcp_port
    writer.close()
    server.close()


async def test_port_in_use(unused_tcp_port: int) -> None:
    """Another port is used while somebody listens on the wanted one."""
    server = await asyncio.start_server(echo, HOST, unused_tcp_port)
    assert free_port(unused_tcp_port) != unused_tcp_port
    server.close()
