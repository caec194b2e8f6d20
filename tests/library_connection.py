"""A connection for charge points made with the ocpp library."""

import aiohttp


class Connection:
    """A WebSocket as the ocpp library wants it."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        """Initialize with an open WebSocket."""
        self._websocket = websocket

    async def recv(self) -> str:
        """Return the next message; raises TypeError when it is closed."""
        text: str = await self._websocket.receive_str()
        return text

    async def send(self, message: str) -> None:
        """Send a message."""
        await self._websocket.send_str(message)
