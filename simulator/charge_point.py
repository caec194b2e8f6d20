"""The second link of a simulated charger: an OCPP 1.6J client.

It shares no code with the integration. The charger is one and the same on both links:
while the back end is connected, it decides about START and STOP, and Modbus does not.
"""

import asyncio
import base64
from collections import deque
from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
from datetime import datetime
import json
import math
from typing import Any, Final, Self

import aiohttp

from .charger import Ocpp, SimulatedCharger

TICK: Final = 0.2
"""s between two looks at the charger"""

ANSWER_TIMEOUT: Final = 30.0
CONNECTION_TIMEOUT: Final = 60.0
"""s that a car has to come after a card, and a card after a car"""

STATUSES: Final = {
    "AVAILABLE": "Available",
    "PREPARING": "Preparing",
    "CHARGING": "Charging",
    "SUSPENDED_EV": "SuspendedEV",
    "SUSPENDED_EVSE": "SuspendedEVSE",
    "FINISHING": "Finishing",
    "RESERVED": "Reserved",
    "UNAVAILABLE": "Unavailable",
    "FAULTED": "Faulted",
}
"""The names of register 100's states in OCPP."""

PHASES: Final = ("L1", "L2", "L3")

type Payload = dict[str, Any]


@dataclass
class Transaction:
    """A transaction; its number is known once StartTransaction was answered."""

    tag: str
    number: int = -1


@dataclass
class Message:
    """A message about a transaction, which is sent until it is answered."""

    action: str
    payload: Payload
    transaction: Transaction


@dataclass(kw_only=True)
class ChargePoint:
    """A charger's connection to an OCPP back end, as a context manager."""

    charger: SimulatedCharger
    url: str
    """URL of the back end; the charger appends its ID."""
    password: str | None = None
    id: str = ""
    """ID of the charge point, otherwise the serial number"""
    sample_interval: float = 10.0
    """s between two MeterValues in a transaction"""
    retry_after: float = 2.0
    """s until it connects again"""
    temperature: float = 31.0
    """°C"""
    log: list[Any] = field(default_factory=list)
    """Requests of the back end, with their payload."""

    def __post_init__(self) -> None:
        """Initialize without a connection."""
        self.id = self.id or self.charger.serial_number
        self.is_connected = False
        """Whether the back end has accepted the charge point."""
        self.transaction: Transaction | None = None
        self.configuration = {
            "AuthorizeRemoteTxRequests": "false",
            "HeartbeatInterval": "300",
            "MeterValueSampleInterval": str(self.sample_interval),
            "NumberOfConnectors": "1",
            "SendLocalListMaxLength": "10",
            "SupportedFeatureProfiles": "Core,FirmwareManagement,"
            "LocalAuthListManagement,Reservation,RemoteTrigger",
        }
        self.local_list: dict[str, Payload] = {}
        self._list_version = 0
        self._is_operative = True
        self._card: tuple[str, float] | None = None
        self._queue: deque[Message] = deque()
        self._pending: dict[str, asyncio.Future[Payload]] = {}
        self._count = 0
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._registered = asyncio.Event()
        self._offline_until = 0.0
        self._shown_status = ""
        self._power_ups = self.charger.power_ups
        self._heartbeat_interval = 300.0
        self._handlers: dict[str, Callable[[Payload], Payload]] = {
            "CancelReservation": lambda _: {"status": "Accepted"},
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": lambda _: {"status": "Accepted"},
            "GetConfiguration": self._get_configuration,
            "GetDiagnostics": lambda _: {},
            "GetLocalListVersion": lambda _: {"listVersion": self._list_version},
            "RemoteStartTransaction": self._remote_start,
            "RemoteStopTransaction": self._remote_stop,
            "ReserveNow": lambda _: {"status": "Accepted"},
            "Reset": self._reset,
            "SendLocalList": self._send_local_list,
            "TriggerMessage": self._trigger_message,
            "UnlockConnector": self._unlock,
            "UpdateFirmware": lambda _: {},
        }

    async def __aenter__(self) -> Self:
        """Connect, and stay connected."""
        self._tasks = [
            asyncio.create_task(self._stay_connected()),
            asyncio.create_task(self._watch()),
        ]
        self._others: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        for task in (*self._tasks, *self._others):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._others, return_exceptions=True)

    async def present(self, tag: str) -> None:
        """Present a card: it starts a transaction, or ends the one that it started."""
        answer = await self._call("Authorize", {"idTag": tag})
        if answer["idTagInfo"]["status"] != "Accepted":
            return
        if self.transaction is None:
            self._card = (tag, asyncio.get_running_loop().time())
        elif self.transaction.tag.casefold() == tag.casefold():
            self._stop("Local")

    async def go_offline(self, seconds: float) -> None:
        """Lose the connection for a while."""
        self._offline_until = asyncio.get_running_loop().time() + seconds
        await self._hang_up()

    # The connection

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    if loop.time() >= self._offline_until:
                        await self._connection(session)
                await asyncio.sleep(self.retry_after)

    async def _connection(self, session: aiohttp.ClientSession) -> None:
        headers = {}
        if self.password is not None:
            given = base64.b64encode(f"{self.id}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {given}"
        async with session.ws_connect(
            f"{self.url}/{self.id}", protocols=("ocpp1.6",), headers=headers
        ) as websocket:
            self._websocket = websocket
            conversation = asyncio.create_task(self._converse())
            try:
                async for message in websocket:
                    self._received(json.loads(message.data))
            finally:
                conversation.cancel()
                await asyncio.gather(conversation, return_exceptions=True)
                self._websocket = None
                self.is_connected = False
                self.charger.ocpp = Ocpp.NONE
                for answer in self._pending.values():
                    # That of the conversation was canceled with it.
                    if not answer.done():
                        answer.set_exception(ConnectionError())
                self._pending.clear()

    async def _converse(self) -> None:
        """Register, then send what waits, and heartbeats."""
        loop = asyncio.get_running_loop()
        self._registered.clear()
        try:
            boot = await self._boot()
            while not self._registered.is_set():
                # The back end may ask for another BootNotification before that.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._registered.wait(), boot["interval"])
                    break
                boot = await self._boot()
            self.is_connected = True
            self.charger.ocpp = Ocpp.REFUSE
            if self.transaction is None:
                self.charger.allow_charging(allowed=False)
            self._shown_status = ""
            heartbeat_at = loop.time() + self._heartbeat_interval
            while True:
                await self._report_status()
                if self._queue:
                    await self._send_first()
                if loop.time() >= heartbeat_at:
                    await self._call("Heartbeat", {})
                    heartbeat_at = loop.time() + self._heartbeat_interval
                await asyncio.sleep(TICK)
        # A timeout is an OSError, too.
        except OSError:
            await self._hang_up()

    async def _hang_up(self) -> None:
        if self._websocket is not None:
            await self._websocket.close()

    async def _boot(self) -> Payload:
        answer = await self._call(
            "BootNotification",
            {
                "chargePointVendor": "NexBlue",
                "chargePointModel": self.charger.model,
                "chargePointSerialNumber": self.charger.serial_number,
                "firmwareVersion": "04.00.19",
            },
        )
        if answer["status"] == "Accepted":
            self._heartbeat_interval = answer["interval"] or self._heartbeat_interval
            self._registered.set()
        return answer

    async def _report_status(self) -> None:
        status = self.status
        if status != self._shown_status:
            await self._call(
                "StatusNotification",
                {
                    "connectorId": 1,
                    "errorCode": "InternalError" if self.charger.errors else "NoError",
                    "status": status,
                    "timestamp": self._now(),
                },
            )
            self._shown_status = status

    async def _send_first(self) -> None:
        message = self._queue[0]
        payload = message.payload
        if message.action != "StartTransaction":
            payload = payload | {"transactionId": message.transaction.number}
        answer = await self._call(message.action, payload)
        if message.action == "StartTransaction":
            message.transaction.number = answer["transactionId"]
            if message.transaction is self.transaction:
                if answer["idTagInfo"]["status"] == "Accepted":
                    self.charger.allow_charging(allowed=True)
                else:
                    self._stop("DeAuthorized")
        self._queue.remove(message)

    async def _call(self, action: str, payload: Payload) -> Payload:
        """Send a request, return the answer; an error has no content."""
        if self._websocket is None:
            raise ConnectionError
        self._count += 1
        message_id = str(self._count)
        answer = asyncio.get_running_loop().create_future()
        self._pending[message_id] = answer
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await self._websocket.send_json([2, message_id, action, payload])
            received: Payload = await answer
            return received

    def _received(self, message: list[Any]) -> None:
        kind, message_id, *rest = message
        if kind == 2:
            self._spawn(self._answer(message_id, *rest))
        elif (answer := self._pending.pop(message_id, None)) and not answer.done():
            if kind == 3:
                answer.set_result(rest[0])
            else:
                answer.set_exception(ConnectionError(rest))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    async def _answer(self, message_id: str, action: str, payload: Payload) -> None:
        self.log.append((action, payload))
        answer: list[Any]
        if handler := self._handlers.get(action):
            answer = [3, message_id, handler(payload)]
        else:
            answer = [4, message_id, "NotImplemented", "", {}]
        if self._websocket is not None:
            with contextlib.suppress(OSError):
                await self._websocket.send_json(answer)

    # The charger

    @property
    def status(self) -> str:
        """Return the status of the connector in OCPP."""
        if not self._is_operative and self.transaction is None:
            return "Unavailable"
        return STATUSES[self.charger.state.name]

    async def _watch(self) -> None:
        """Follow what happens at the charger."""
        loop = asyncio.get_running_loop()
        sampled_at = -math.inf
        while True:
            self.charger.advance()
            if self._power_ups != self.charger.power_ups:
                self._power_ups = self.charger.power_ups
                self._stop("PowerLoss")
                await self._hang_up()
            if self.charger.car is None:
                self._stop("EVDisconnected")
            card = self._card
            if card and loop.time() > card[1] + CONNECTION_TIMEOUT:
                self._card = None
            elif card and self.charger.car and self._is_operative:
                self._card = None
                self._start(card[0])
                sampled_at = loop.time()
            if self.is_connected and self.transaction is None:
                self.charger.allow_charging(allowed=False)
            if self.transaction and loop.time() >= sampled_at + self.sample_interval:
                sampled_at = loop.time()
                self._sample(self.transaction)
            await asyncio.sleep(TICK)

    def _start(self, tag: str) -> None:
        self.transaction = Transaction(tag)
        self._enqueue(
            "StartTransaction",
            self.transaction,
            {
                "connectorId": 1,
                "idTag": tag,
                "meterStart": round(self.charger.lifetime_energy),
                "timestamp": self._now(),
            },
        )

    def _stop(self, reason: str) -> None:
        if (transaction := self.transaction) is None:
            return
        self.transaction = None
        self.charger.allow_charging(allowed=False)
        self._enqueue(
            "StopTransaction",
            transaction,
            {
                "meterStop": round(self.charger.lifetime_energy),
                "timestamp": self._now(),
                "reason": reason,
            },
        )

    def _sample(self, transaction: Transaction) -> None:
        charger = self.charger
        sampled = [
            _value("Energy.Active.Import.Register", "Wh", charger.lifetime_energy),
            _value("Power.Active.Import", "W", sum(charger.powers)),
            _value("Temperature", "Celsius", self.temperature),
            _value("Frequency", None, 50.0),
            _value("Current.Offered", "A", charger.offered),
        ]
        for phase, current, voltage in zip(
            PHASES, charger.currents, charger.voltages, strict=True
        ):
            sampled += [
                _value("Current.Import", "A", current, phase),
                _value("Voltage", "V", voltage, phase),
            ]
        value = {"timestamp": self._now(), "sampledValue": sampled}
        self._enqueue(
            "MeterValues", transaction, {"connectorId": 1, "meterValue": [value]}
        )

    def _enqueue(self, action: str, transaction: Transaction, payload: Payload) -> None:
        self._queue.append(Message(action, payload, transaction))

    def _now(self) -> str:
        now: datetime = self.charger.wall_clock()
        return now.isoformat(timespec="seconds")

    # Requests of the back end

    def _remote_start(self, payload: Payload) -> Payload:
        if self.transaction is not None or not self._is_operative:
            return {"status": "Rejected"}
        self._card = (payload["idTag"], asyncio.get_running_loop().time())
        return {"status": "Accepted"}

    def _remote_stop(self, payload: Payload) -> Payload:
        number = payload["transactionId"]
        if self.transaction is None or self.transaction.number != number:
            return {"status": "Rejected"}
        self._stop("Remote")
        return {"status": "Accepted"}

    def _unlock(self, payload: Payload) -> Payload:
        self._stop("UnlockCommand")
        return {"status": "Unlocked"}

    def _reset(self, payload: Payload) -> Payload:
        async def restart() -> None:
            await asyncio.sleep(TICK)
            self._stop("HardReset" if payload["type"] == "Hard" else "SoftReset")
            await self._hang_up()

        self._spawn(restart())
        return {"status": "Accepted"}

    def _change_availability(self, payload: Payload) -> Payload:
        self._is_operative = payload["type"] == "Operative"
        is_later = self.transaction is not None and not self._is_operative
        return {"status": "Scheduled" if is_later else "Accepted"}

    def _get_configuration(self, payload: Payload) -> Payload:
        keys = payload.get("key", list(self.configuration))
        return {
            "configurationKey": [
                {"key": key, "readonly": False, "value": self.configuration[key]}
                for key in keys
                if key in self.configuration
            ],
            "unknownKey": [key for key in keys if key not in self.configuration],
        }

    def _change_configuration(self, payload: Payload) -> Payload:
        if payload["key"] not in self.configuration:
            return {"status": "NotSupported"}
        self.configuration[payload["key"]] = payload["value"]
        return {"status": "Accepted"}

    def _send_local_list(self, payload: Payload) -> Payload:
        if payload["updateType"] == "Full":
            self.local_list = {}
        for entry in payload.get("localAuthorizationList", ()):
            self.local_list[entry["idTag"]] = entry.get("idTagInfo", {})
        self._list_version = payload["listVersion"]
        return {"status": "Accepted"}

    def _trigger_message(self, payload: Payload) -> Payload:
        match payload["requestedMessage"]:
            case "BootNotification":
                self._spawn(self._send_boot())
            case "StatusNotification":
                self._shown_status = ""
            case "MeterValues" if self.transaction is not None:
                self._sample(self.transaction)
            case _:
                return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    async def _send_boot(self) -> None:
        with contextlib.suppress(OSError):
            await self._boot()


def _value(
    measurand: str, unit: str | None, value: float, phase: str | None = None
) -> Payload:
    """Return a sampled value; the schema knows no unit for the frequency."""
    found = {
        "value": f"{value:.1f}",
        "measurand": measurand,
        "unit": unit,
        "phase": phase,
        "context": "Sample.Periodic",
    }
    return {name: each for name, each in found.items() if each is not None}
