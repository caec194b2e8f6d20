"""A central system on a web server of its own, for benchmarks and tests."""

from collections.abc import AsyncIterator
import contextlib

from aiohttp import WSMsgType, web

from custom_components.nexblue_local.central_system.authentication import Authentication
from custom_components.nexblue_local.central_system.messages import MAX_MESSAGE
from custom_components.nexblue_local.central_system.server import (
    SUBPROTOCOL,
    CentralSystem,
    fits_subprotocol,
)

PATH = "/ocpp"


class WebSocket:
    """A WebSocket of the web server, as the central system needs it."""

    def __init__(self, websocket: web.WebSocketResponse) -> None:
        """Initialize with an open WebSocket."""
        self._websocket = websocket

    async def receive(self) -> str:
        """Return the next text message."""
        message = await self._websocket.receive()
        if message.type is not WSMsgType.TEXT:
            raise ConnectionResetError(f"received {message.type.name}")
        text: str = message.data
        return text

    async def send(self, text: str) -> None:
        """Send a text message."""
        await self._websocket.send_str(text)

    async def close(self) -> None:
        """Close the connection."""
        await self._websocket.close()


@contextlib.asynccontextmanager
async def web_server(central: CentralSystem) -> AsyncIterator[str]:
    """Serve a central system on a free port, yield the URL of its charge points."""

    async def connect(request: web.Request) -> web.StreamResponse:
        charge_point_id = request.match_info["charge_point_id"]
        result = central.authenticate(
            charge_point_id, request.headers.get("Authorization"), request.remote or ""
        )
        if result is Authentication.TOO_MANY_REQUESTS:
            return web.Response(status=429)
        if result is Authentication.UNAUTHORIZED:
            challenge = {"WWW-Authenticate": 'Basic realm="OCPP"'}
            return web.Response(status=401, headers=challenge)
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if not fits_subprotocol([each.strip() for each in offered.split(",") if each]):
            return web.Response(status=400)
        websocket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=MAX_MESSAGE
        )
        await websocket.prepare(request)
        await central.connect(charge_point_id, WebSocket(websocket))
        return websocket

    application = web.Application()
    application.router.add_get(f"{PATH}/{{charge_point_id}}", connect)
    # As in Home Assistant: a request ends when its client goes.
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}{PATH}"
    finally:
        await central.close()
        await runner.cleanup()
