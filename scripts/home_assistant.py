"""Run Home Assistant as a process, and call the API that its frontend uses."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
import contextlib
import json
import os
from pathlib import Path
import shutil
import socket
import sys
import time
from typing import Any, Self

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
FLOWS = "/api/config/config_entries/flow"
START_TIMEOUT = 240.0
STOP_TIMEOUT = 30.0
STORAGE_VERSIONS = {"http": (2, 2), "onboarding": (4, 1)}
HTTP_DEFAULTS: dict[str, Any] = {
    "server_host": [HOST],
    "cors_allowed_origins": [],
    "login_attempts_threshold": -1,
    "ip_ban_enabled": True,
    "ssl_profile": "modern",
    "use_x_frame_options": True,
    "created_at": None,
    "error": None,
    "error_message": None,
}

CONFIGURATION = """\
homeassistant:
  name: NexBlue demo
  currency: EUR
  country: SE
  time_zone: Europe/Stockholm
  unit_system: metric
  auth_providers:
    # First, so that the frontend logs in browsers on this machine without asking.
    - type: trusted_networks
      trusted_networks: [127.0.0.1, "::1"]
      allow_bypass_login: true
    - type: homeassistant
  # The default module has requirements that nothing else here needs.
  auth_mfa_modules: []
"""


def stored_charger(port: int, serial_number: str, **options: int) -> dict[str, Any]:
    """Return the storage files of a Home Assistant with a charger on this machine."""
    return stored_entries(
        stored_entry("Charger", serial_number, charger_data(port), **options)
    )


def stored_entries(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the storage files of a Home Assistant with config entries."""
    return {"core.config_entries": {"entries": entries}}


def stored_entry(
    title: str, unique_id: str, data: Mapping[str, Any], **options: int
) -> dict[str, Any]:
    """Return a config entry of this integration as it is stored."""
    now = "2026-01-01T00:00:00+00:00"
    return {
        "created_at": now,
        "data": data,
        "disabled_by": None,
        "discovery_keys": {},
        "domain": "nexblue_local",
        "entry_id": f"01STORED{unique_id.upper()}",
        "minor_version": 1,
        "modified_at": now,
        "options": options,
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": [],
        "title": title,
        "unique_id": unique_id,
        "version": 1,
    }


def charger_data(port: int) -> dict[str, Any]:
    """Return the data of the entry of a charger on this machine."""
    return {"modbus": {"host": HOST, "port": port, "unit_id": 200}}


def free_port(wanted: int) -> int:
    """Return the wanted port of `HOST`, or any other that is free if it is in use."""
    with socket.socket() as probe:
        # The port of a demo that just ended is free, though its connections may linger.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((HOST, wanted))
            return wanted
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def first[T](
    ask: Callable[[], Awaitable[T | None]], timeout: float | None
) -> T | None:
    """Call `ask` until it returns a value, and return that; None after `timeout` s."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while True:
                if (answer := await ask()) is not None:
                    return answer
                await asyncio.sleep(0.3)
    return None


class StartFailed(Exception):
    """Home Assistant did not start."""


class HomeAssistantProcess:
    """A Home Assistant process with a configuration folder of its own.

    An asynchronous context manager. The folder is created, and replaced if it exists;
    with `fresh=False`, Home Assistant starts on the existing one.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        configuration: str = "",
        storage: Mapping[str, Mapping[str, Any]] | None = None,
        fresh: bool = True,
        components: Path = ROOT / "custom_components",
        module: str = "homeassistant",
    ) -> None:
        """Initialize the process.

        `port` is the TCP port of the web interface, `configuration` is appended to
        configuration.yaml, `storage` holds the data of files in .storage by name,
        `components` is the folder of the custom integrations, and `module` is what Python
        runs.
        """
        self.url = f"http://{HOST}:{port}"
        self.folder = folder
        self._fresh = fresh
        self._components = components
        self._module = module
        self.started_at = 0.0
        self._configuration = CONFIGURATION + configuration
        self._storage = {
            # Only the user has to be created: the other steps also set up
            # integrations that need the internet.
            "onboarding": {"done": ["core_config", "analytics", "integration"]},
            # From YAML, these would be reverted unless a user confirms them.
            "http": {
                "stable": HTTP_DEFAULTS | {"server_port": port},
                "pending": None,
                "yaml_migration_done": True,
            },
            **(storage or {}),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._refresh_token = ""
        self._expires_at = 0.0

    @property
    def pid(self) -> int:
        """Return the process id."""
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Return the memory of the process in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(li for li in status.splitlines() if li.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    @property
    def log(self) -> Path:
        """Return the file with Home Assistant's output."""
        return self.folder / "console.log"

    async def __aenter__(self) -> Self:
        """Start Home Assistant and log in; raise StartFailed if it does not start."""
        if self._fresh:
            await asyncio.to_thread(self._prepare)
        self._session = aiohttp.ClientSession(self.url)
        try:
            await self._start()
            await self._log_in()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop Home Assistant."""
        await self._stop()

    def _prepare(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        storage = self.folder / ".storage"
        storage.mkdir(parents=True)
        for key, data in self._storage.items():
            version, minor_version = STORAGE_VERSIONS.get(key, (1, 1))
            (storage / key).write_text(
                json.dumps(
                    {
                        "version": version,
                        "minor_version": minor_version,
                        "key": key,
                        "data": data,
                    }
                )
            )
        (self.folder / "configuration.yaml").write_text(self._configuration)
        # The frontend's automation editor writes to this file.
        (self.folder / "automations.yaml").write_text("[]\n")
        (self.folder / "custom_components").symlink_to(self._components)

    async def _start(self) -> None:
        self.started_at = time.time()
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", self._module, "--config", str(self.folder)),
                # All requirements are installed. A missing one is an error at once,
                # instead of a slow download.
                env=os.environ | {"UV_OFFLINE": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C must not reach it: it is stopped in `_stop`.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._wait_until_up(self._process)
        except TimeoutError as error:
            raise StartFailed(f"it did not start within {START_TIMEOUT:g} s") from error

    async def _wait_until_up(self, process: asyncio.subprocess.Process) -> None:
        assert self._session is not None
        while True:
            if process.returncode is not None:
                raise StartFailed(f"it ended with code {process.returncode}")
            with contextlib.suppress(aiohttp.ClientError):
                async with self._session.get("/manifest.json") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.2)

    async def _log_in(self) -> None:
        assert self._session is not None
        client = {"client_id": f"{self.url}/"}
        code = await (self._onboard(client) if self._fresh else self._enter(client))
        token = await self._request_token(grant_type="authorization_code", code=code)
        self._refresh_token = token["refresh_token"]

    async def _request_token(self, **grant: str) -> dict[str, Any]:
        """Get an access token, and use it from now on."""
        assert self._session is not None
        form = {"client_id": f"{self.url}/", **grant}
        async with self._session.post("/auth/token", data=form) as response:
            response.raise_for_status()
            token: dict[str, Any] = await response.json()
        self._token = token["access_token"]
        self._session.headers["Authorization"] = f"Bearer {self._token}"
        self._expires_at = time.monotonic() + token["expires_in"]
        return token

    async def _keep_logged_in(self) -> None:
        """Get a new access token a minute before the present one expires."""
        if time.monotonic() > self._expires_at - 60:
            await self._request_token(
                grant_type="refresh_token", refresh_token=self._refresh_token
            )

    async def _onboard(self, client: dict[str, str]) -> str:
        """Create the user and return an authorization code."""
        user = await self.post(
            "/api/onboarding/users",
            client
            | {
                "name": "Demo",
                "username": "demo",
                "password": "demo",
                "language": "en",
            },
        )
        code: str = user["auth_code"]
        return code

    async def _enter(self, client: dict[str, str]) -> str:
        """Log in like a browser on this machine and return an authorization code."""
        flow = await self.post(
            "/auth/login_flow",
            client
            | {
                "handler": ["trusted_networks", None],
                "redirect_uri": client["client_id"],
                "type": "authorize",
            },
        )
        code: str = flow["result"]
        return code

    async def post(self, path: str, data: Mapping[str, Any]) -> Any:
        """Send a POST request and return the response."""
        assert self._session is not None
        async with self._session.post(path, json=dict(data)) as response:
            response.raise_for_status()
            return await response.json()

    async def call(self, command: str, **fields: Any) -> Any:
        """Send a WebSocket command and return its result."""
        assert self._session is not None
        await self._keep_logged_in()
        # The registry of a hundred chargers is larger than the default maximum.
        async with self._session.ws_connect("/api/websocket", max_msg_size=0) as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._token})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": command, **fields})
            answer = await socket.receive_json()
        if not answer["success"]:
            raise RuntimeError(answer["error"])
        return answer["result"]

    async def states(self, domain: str) -> dict[str, str]:
        """Return the states of an integration's entities by unique ID."""
        registry = await self.call("config/entity_registry/list")
        states = {
            state["entity_id"]: state["state"]
            for state in await self.call("get_states")
        }
        return {
            entity["unique_id"]: states.get(entity["entity_id"], "unknown")
            for entity in registry
            if entity["platform"] == domain
        }

    async def _stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
