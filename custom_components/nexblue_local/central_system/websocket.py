"""A WebSocket connection, as far as it is needed."""

from typing import Protocol


class Socket(Protocol):
    """A WebSocket with a charge point; each method raises ConnectionError at its end.

    Whoever opens it limits messages to `messages.MAX_MESSAGE` and sends pings, so that
    a connection ends whose other end is gone.
    """

    async def receive(self) -> str:
        """Return the next text message."""

    async def send(self, text: str) -> None:
        """Send a text message."""

    async def close(self) -> None:
        """Close the connection; a second time, too."""
