"""A charge point on a real socket, whose messages are typed by hand."""

import asyncio
import base64
import contextlib
import json
from typing import Any

import aiohttp


def credentials(charge_point_id: str, password: str) -> dict[str, str]:
    """Return the header of an authenticated request."""
    encoded = base64.b64encode(f"{charge_point_id}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


class NotAnswered(Exception):
    """The connection was lost before the answer, or the answer did not come."""


class Client:
    """A charge point that repeats what was not answered, over a new connection."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        charge_point_id: str,
        password: str,
        *,
        patience: float = 2.0,
    ) -> None:
        """Initialize without a connection; `patience` is in s, for an answer."""
        self.id = charge_point_id
        self.boot = {"chargePointVendor": "Other", "chargePointModel": "M1"}
        """What it says of itself when it connects."""
        self.requests: list[list[Any]] = []
        """CALLs of the central system."""
        self.websocket: aiohttp.ClientWebSocketResponse | None = None
        self._session = session
        self.address = f"{url}/{charge_point_id}"
        """The URL that it connects to."""
        self._headers = credentials(charge_point_id, password)
        self._patience = patience
        self._count = 0

    async def connect(self) -> None:
        """Connect and send BootNotification."""
        self.hang_up()
        try:
            async with asyncio.timeout(self._patience):
                self.websocket = await self._session.ws_connect(
                    self.address, protocols=("ocpp1.6",), headers=self._headers
                )
        except (aiohttp.ClientError, OSError) as error:
            raise NotAnswered from error
        await self.call("BootNotification", self.boot)

    async def send(self, text: str) -> None:
        """Send a text; raise NotAnswered if there is no connection."""
        if self.websocket is None:
            raise NotAnswered
        try:
            await self.websocket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            raise NotAnswered from error

    async def receive(self) -> Any:
        """Return the next message; raise NotAnswered if there is none."""
        if self.websocket is None:
            raise NotAnswered
        with contextlib.suppress(TimeoutError):
            message = await self.websocket.receive(self._patience)
            if message.type is aiohttp.WSMsgType.TEXT:
                return json.loads(message.data)
        raise NotAnswered

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        """Send a request, return the payload of its answer; raise NotAnswered."""
        self._count += 1
        message_id = f"m{self._count}"
        await self.send(json.dumps([2, message_id, action, payload]))
        while True:
            kind, answered, *rest = await self.receive()
            if kind == 2:
                self.requests.append([answered, *rest])
            elif answered == message_id:
                assert kind == 3, rest
                return rest[0]

    async def deliver(self, action: str, payload: dict[str, Any]) -> Any:
        """Send a request until it is answered, return the payload of the answer."""
        patience = self._patience
        try:
            while True:
                with contextlib.suppress(NotAnswered):
                    if self.websocket is None:
                        await self.connect()
                    return await self.call(action, payload)
                self.hang_up()
                # A machine that is busy is given more time.
                self._patience *= 1.5
        finally:
            self._patience = patience

    def hang_up(self) -> None:
        """Close the connection without a word."""
        if self.websocket is not None:
            self.websocket._response.close()
            self.websocket = None
