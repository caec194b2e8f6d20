"""The web server's side of OCPP: who may connect, and the WebSocket of who does."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import WSMsgType, hdrs, web
from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .central_system.authentication import Authentication
from .central_system.messages import MAX_MESSAGE
from .central_system.server import SUBPROTOCOL, CentralSystem, fits_subprotocol
from .const import DOMAIN
from .ocpp_config import PATH

PING_EVERY = 50.0
"""Seconds between pings, which end a connection whose other end is gone."""

CENTRAL_SYSTEM: HassKey[CentralSystem] = HassKey(f"{DOMAIN}_central_system")
"""The central system that is served now, if there is one."""

_HAS_VIEW: HassKey[bool] = HassKey(f"{DOMAIN}_has_ocpp_view")

URL = f"{PATH}/{{charge_point_id}}"


class WebSocket:
    """A WebSocket of the web server, as the central system needs it."""

    def __init__(self, websocket: web.WebSocketResponse) -> None:
        """Initialize with an open WebSocket."""
        self._websocket = websocket

    async def receive(self) -> str:
        """Return the next text message; raises ConnectionError."""
        message = await self._websocket.receive()
        if message.type is not WSMsgType.TEXT:
            raise ConnectionResetError(f"received {message.type.name}")
        text: str = message.data
        return text

    async def send(self, text: str) -> None:
        """Send a text message; raises ConnectionError."""
        await self._websocket.send_str(text)

    async def close(self) -> None:
        """Close the connection."""
        await self._websocket.close()


async def serve(central: CentralSystem, request: web.Request) -> web.StreamResponse:
    """Serve a charge point until its connection ends, or refuse it.

    401 is returned, not raised: for Home Assistant, a raised one is a failed login, and
    it would ban the address of a charger whose password is corrected later.
    """
    charge_point_id = request.match_info["charge_point_id"]
    match central.authenticate(
        charge_point_id,
        request.headers.get(hdrs.AUTHORIZATION),
        request.remote or "",
    ):
        case Authentication.TOO_MANY_REQUESTS:
            return web.Response(status=HTTPStatus.TOO_MANY_REQUESTS)
        case Authentication.UNAUTHORIZED:
            return web.Response(
                status=HTTPStatus.UNAUTHORIZED,
                headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="OCPP"'},
            )
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    if not fits_subprotocol([name.strip() for name in offered.split(",") if name]):
        return web.Response(status=HTTPStatus.BAD_REQUEST)
    websocket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,), max_msg_size=MAX_MESSAGE, heartbeat=PING_EVERY
    )
    await websocket.prepare(request)
    await central.connect(charge_point_id, WebSocket(websocket))
    return websocket


class OcppView(HomeAssistantView):
    """The central system on Home Assistant's own web server."""

    url = URL
    name = f"api:{DOMAIN}:ocpp"
    requires_auth = False

    async def get(
        self, request: web.Request, charge_point_id: str
    ) -> web.StreamResponse:
        """Serve a charge point; 404 while no central system is set up."""
        central = request.app[KEY_HASS].data.get(CENTRAL_SYSTEM)
        if central is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return await serve(central, request)


@callback
def async_register_view(hass: HomeAssistant) -> None:
    """Register the view once; it cannot be removed again."""
    if _HAS_VIEW not in hass.data:
        hass.data[_HAS_VIEW] = True
        hass.http.register_view(OcppView)


async def async_listen(
    central: CentralSystem, port: int
) -> Callable[[], Awaitable[None]]:
    """Serve a central system on a port of its own; return how to end that.

    Raises OSError if the port is taken.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        return await serve(central, request)

    application = web.Application()
    application.router.add_get(URL, handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner.cleanup
