"""A connection with a charge point: its messages in order, one of our calls at a time."""

import asyncio
from collections.abc import Callable
import contextlib
import logging
from typing import Final, Protocol
import uuid

from .errors import CommandError, ErrorKey
from .messages import (
    MAX_MESSAGE,
    Answer,
    Failure,
    Malformed,
    Payload,
    Request,
    decode,
    encode_answer,
    encode_failure,
    encode_request,
    for_log,
)
from .websocket import Socket

_LOGGER = logging.getLogger(__name__)

ANSWER_TIMEOUT: Final = 30.0
"""s that a charge point has for an answer."""

SEND_TIMEOUT: Final = 30.0
"""s after which a connection that takes no data is closed."""

CLOSE_TIMEOUT: Final = 5.0
"""s after which a connection is no longer waited for."""

QUEUE: Final = 32
"""Calls that may wait."""

MAX_BAD_MESSAGES: Final = 10
"""Bad messages in a row that close the connection."""

RATE: Final = 10.0
"""Messages per s that are read in the long run."""

BURST: Final = 100
"""Messages that are read at once, for example after an outage."""


class UnknownAction(Exception):
    """A request that is not answered in OCPP 1.6, or not by us."""


class NotAllowed(Exception):
    """A request that a charge point may not send before it is adopted."""


class Requests(Protocol):
    """Answers the requests of a charge point."""

    async def answer(self, request: Request) -> object:
        """Return the result; raise UnknownAction or NotAllowed."""

    def received(self, *, is_bad: bool) -> None:
        """Note that a message came."""


class TokenBucket:
    """Limits the rate of messages, by waiting."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Initialize with a clock in s."""
        self._clock = clock
        self._tokens = float(BURST)
        self._at = clock()

    async def take(self) -> None:
        """Wait until another message may be read."""
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._at) * RATE) - 1
        self._at = now
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / RATE)


class Conversation:
    """A connection with a charge point, until it ends."""

    def __init__(self, name: str, socket: Socket, requests: Requests) -> None:
        """Initialize with the charge point's ID and who answers its requests."""
        self._name = name
        self._socket = socket
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._bucket = TokenBucket(self._loop.time)
        self._bad_in_a_row = 0
        self._was_bad = False
        self._ended = False
        self._sending = asyncio.Lock()
        self._calling = asyncio.Lock()
        self._calls = 0
        self._pending: tuple[str, asyncio.Future[Answer | Failure]] | None = None

    async def run(self) -> None:
        """Process messages in order until the connection ends."""
        try:
            while not self._ended and self._bad_in_a_row < MAX_BAD_MESSAGES:
                await self._bucket.take()
                await self._process(await self._socket.receive())
        # A timeout is an OSError, too.
        except OSError as error:
            _LOGGER.debug("%s: connection ended: %r", self._name, error)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection; calls that wait for an answer fail at once."""
        self._ended = True
        if self._pending is not None and not self._pending[1].done():
            self._pending[1].set_exception(ConnectionError())
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.close()

    async def call(self, request: object) -> Payload:
        """Send a request of the ocpp library, return the answer; raises CommandError."""
        action = type(request).__name__
        if self._ended:
            raise CommandError(ErrorKey.NOT_CONNECTED, action)
        if self._calls > QUEUE:
            raise CommandError(ErrorKey.BUSY, action)
        message_id = str(uuid.uuid4())
        text = encode_request(message_id, request)
        self._calls += 1
        try:
            async with self._calling:
                answer = await self._answer_to(message_id, text, action)
        finally:
            self._calls -= 1
        if isinstance(answer, Failure):
            raise CommandError(ErrorKey.FAILED, action, answer.code)
        return answer.payload

    async def _answer_to(
        self, message_id: str, text: str, action: str
    ) -> Answer | Failure:
        if self._ended:
            raise CommandError(ErrorKey.NOT_CONNECTED, action)
        future: asyncio.Future[Answer | Failure] = self._loop.create_future()
        self._pending = (message_id, future)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._send(text)
                return await future
        except TimeoutError as error:
            raise CommandError(ErrorKey.NO_ANSWER, action) from error
        except OSError as error:
            raise CommandError(ErrorKey.CONNECTION_LOST, action) from error
        finally:
            self._pending = None

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(SEND_TIMEOUT), self._sending:
            await self._socket.send(text)

    async def _process(self, text: str) -> None:
        is_long = len(text.encode(errors="replace")) > MAX_MESSAGE
        message = Malformed(None) if is_long else decode(text)
        is_bad = isinstance(message, Malformed)
        self._requests.received(is_bad=is_bad)
        self._bad_in_a_row = self._bad_in_a_row + 1 if is_bad else 0
        match message:
            case Request():
                await self._send(await self._answer(message))
            case Answer() | Failure():
                self._answered(message)
            case Malformed(message_id):
                level = logging.DEBUG if self._was_bad else logging.WARNING
                self._was_bad = True
                _LOGGER.log(level, "%s: bad message: %s", self._name, for_log(text))
                if message_id is not None:
                    await self._send(encode_failure(message_id, "FormationViolation"))
        if is_long:
            raise ConnectionError("message too long")

    async def _answer(self, request: Request) -> str:
        try:
            result = await self._requests.answer(request)
            return encode_answer(request.id, result)
        except UnknownAction:
            return encode_failure(request.id, "NotImplemented")
        except NotAllowed:
            return encode_failure(request.id, "SecurityError")
        except Exception:
            # The charge point repeats what it must not lose.
            _LOGGER.exception("%s: %s failed", self._name, request.action[:50])
            return encode_failure(request.id, "InternalError")

    def _answered(self, answer: Answer | Failure) -> None:
        if self._pending is None or self._pending[0] != answer.id:
            _LOGGER.debug("%s: answer to no call", self._name)
        elif not self._pending[1].done():
            self._pending[1].set_result(answer)
