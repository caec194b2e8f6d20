"""A central system on a web server of its own, with the view of Home Assistant's."""

from collections.abc import AsyncIterator
import contextlib
from unittest.mock import patch

from aiohttp import web

from custom_components.nexblue_local import ocpp_web
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.ocpp_config import PATH
from custom_components.nexblue_local.ocpp_web import URL, serve


@contextlib.asynccontextmanager
async def web_server(central: CentralSystem) -> AsyncIterator[str]:
    """Serve a central system on a free port, yield the URL of its charge points."""

    async def connect(request: web.Request) -> web.StreamResponse:
        return await serve(central, request)

    application = web.Application()
    application.router.add_get(URL, connect)
    # As in Home Assistant: a request ends when its client goes.
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    # Data that comes during a close would leave a timer of aiohttp's behind.
    with patch.object(ocpp_web, "PING_EVERY", None):
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}{PATH}"
        finally:
            await central.close()
            await runner.cleanup()
