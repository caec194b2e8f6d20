"""A TCP proxy between a charge point and the central system that harms what it forwards."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
import contextlib
import random
from typing import Final, Self

from yarl import URL

CUT: Final = "cut"
"""Both connections are reset."""
MUTE: Final = "mute"
"""Both connections stay, and nothing is forwarded any more, not even their end."""

type Step = bytes | float | str
"""Bytes to forward, seconds to wait, CUT or MUTE."""
type Harm = Callable[[bool, bytes], Iterable[Step]]
"""Returns what becomes of received bytes; the first argument is whether the central
system is to get them."""


def no_harm(to_central: bool, received: bytes) -> Iterable[Step]:
    """Forward what is received."""
    return (received,)


class Proxy:
    """Forwards connections to a server of this machine."""

    def __init__(self, url: str) -> None:
        """Initialize with a URL of the server."""
        self.url = url
        """The URL by which connections are forwarded, once it listens."""
        self.harm: Harm = no_harm
        self._to = URL(url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Listen on a free port; end all connections afterwards."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = str(self._to.with_port(server.sockets[0].getsockname()[1]))
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there, back = await asyncio.open_connection("127.0.0.1", self._to.port)
        self._writers |= {writer, back}
        is_muted = asyncio.Event()
        try:
            await asyncio.gather(
                self._forward(reader, back, is_muted, to_central=True),
                self._forward(there, writer, is_muted, to_central=False),
            )
        except OSError:
            if is_muted.is_set():
                # The other end learns nothing of this until the test is over.
                await asyncio.Event().wait()
        finally:
            for each in (writer, back):
                each.transport.abort()
            self._writers -= {writer, back}

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_muted: asyncio.Event,
        *,
        to_central: bool,
    ) -> None:
        while received := await reader.read(65536):
            for step in () if is_muted.is_set() else self.harm(to_central, received):
                match step:
                    case bytes():
                        writer.write(step)
                        await writer.drain()
                    case float():
                        await asyncio.sleep(step)
                    case str() if step == MUTE:
                        is_muted.set()
                    case _:
                        raise ConnectionResetError
        raise ConnectionResetError


class BadNetwork:
    """Harms a share of what is received, in ways that a seed determines."""

    def __init__(self, seed: int, share: float, slowest: float) -> None:
        """Initialize with the longest delay in s."""
        self.done: dict[str, int] = {}
        """How often each harm was done."""
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self._share = share
        self._slowest = slowest

    def __call__(self, to_central: bool, received: bytes) -> Iterable[Step]:
        """Return what becomes of received bytes."""
        if self._random.random() >= self._share:
            return (received,)
        harms = {
            "cut before": (CUT,),
            "cut in the middle": (received[: len(received) // 2], CUT),
            "cut after": (received, CUT),
            "delayed": (self._random.uniform(0, self._slowest), received),
            "split": (received[:3], 0.001, received[3:]),
            "duplicated": (received, received),
            "garbled": (self._garbled(received),),
            "muted": (MUTE,),
        }
        # A wrong password is no fault of the network: enough of them lock it out.
        if received.startswith((b"GET ", b"HTTP/")):
            del harms["garbled"]
        name = self._random.choice(list(harms))
        self.done[name] = self.done.get(name, 0) + 1
        return harms[name]

    def _garbled(self, received: bytes) -> bytes:
        """Return the bytes with one that is neither ASCII nor what it was."""
        at = self._random.randrange(len(received))
        return bytes([*received[:at], received[at] ^ 0x80, *received[at + 1 :]])
