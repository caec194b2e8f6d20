"""A charge point on a socket in memory, and what a central system needs."""

import asyncio
import copy
from datetime import UTC, datetime, timedelta
import json
from typing import Any, Self

from custom_components.nexblue_local.central_system.authentication import Credentials
from custom_components.nexblue_local.central_system.charge_point import ChargePoint
from custom_components.nexblue_local.central_system.environment import Environment
from custom_components.nexblue_local.central_system.events import Event
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.central_system.tags import Tag, Tags
from custom_components.nexblue_local.ledger.ledger import Ledger
from custom_components.nexblue_local.ledger.session import Session

ID = "NB10SIM00001"
PASSWORD = "abcdefgh12345678"  # noqa: S105
START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CARD = "04A1B2C3"
TAGS = (
    Tag(id=CARD, name="Blue card"),
    Tag(id="BLOCKED", name="Lost card", is_blocked=True),
    Tag(id="OLD", name="Guest card", expiry=START - timedelta(days=1)),
)


class Home:
    """What surrounds the central system: clock, disk, ledger, and who is notified."""

    def __init__(self) -> None:
        """Initialize with nothing on the disk."""
        self.time = START
        self.disk: dict[str, Any] = {}
        self.ledger = Ledger()
        self.events: list[Event] = []
        self.saves = 0
        self.can_save = True
        self.can_record = True
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def save(self, data: dict[str, Any]) -> None:
        """Write to the disk."""
        await self.may_write.wait()
        if not self.can_save:
            raise OSError("disk full")
        self.saves += 1
        # What is stored is JSON.
        self.disk = json.loads(json.dumps(data))

    async def record(self, session: Session) -> None:
        """Keep a session that ended."""
        await self.may_write.wait()
        if not self.can_record:
            raise OSError("disk full")
        self.ledger.put(session)

    def seen(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def central_system(
        self, *, allow_unknown: bool = False, **credentials: Any
    ) -> CentralSystem:
        """Start a central system with what is on the disk."""
        return CentralSystem(
            Environment(
                now=lambda: self.time,
                save=self.save,
                record=self.record,
                notify=self.events.append,
            ),
            credentials=Credentials(password=PASSWORD, **credentials),
            tags=Tags(TAGS, allow_unknown=allow_unknown),
            stored=copy.deepcopy(self.disk),
        )


class MemorySocket:
    """Both ends of a connection."""

    def __init__(self) -> None:
        """Initialize an open connection."""
        self.to_central: asyncio.Queue[str | None] = asyncio.Queue()
        self.to_charger: asyncio.Queue[str] = asyncio.Queue()
        self.is_closed = False

    async def receive(self) -> str:
        """Return the next message of the charger."""
        if self.is_closed or (text := await self.to_central.get()) is None:
            raise ConnectionResetError
        return text

    async def send(self, text: str) -> None:
        """Send a message to the charger."""
        if self.is_closed:
            raise ConnectionResetError
        self.to_charger.put_nowait(text)

    async def close(self) -> None:
        """Close the connection; the charger does this, too."""
        if not self.is_closed:
            self.is_closed = True
            self.to_central.put_nowait(None)


class Charger:
    """The charger's end of a connection in memory."""

    def __init__(self, central: CentralSystem, charge_point_id: str = ID) -> None:
        """Initialize without a connection."""
        self.central = central
        self.id = charge_point_id
        self.socket = MemorySocket()
        self._number = 0

    async def __aenter__(self) -> Self:
        """Connect."""
        self._task = asyncio.create_task(self.central.connect(self.id, self.socket))
        await settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self.socket.close()
        await self._task

    @property
    def seen_by_us(self) -> ChargePoint:
        """Return the central system's side."""
        return self.central.charge_points[self.id]

    def send(self, text: str) -> None:
        """Send a text."""
        self.socket.to_central.put_nowait(text)

    def request(self, action: str, **payload: Any) -> str:
        """Send a request, return its message ID."""
        self._number += 1
        message_id = f"m{self._number}"
        self.send(json.dumps([2, message_id, action, payload]))
        return message_id

    async def receive(self) -> Any:
        """Return the next message of the central system."""
        async with asyncio.timeout(2):
            return json.loads(await self.socket.to_charger.get())

    def answer(self, message_id: str, **payload: Any) -> None:
        """Answer a request of the central system."""
        self.send(json.dumps([3, message_id, payload]))

    async def call(self, action: str, **payload: Any) -> Any:
        """Send a request, return the payload of its answer, or its error code."""
        message_id = self.request(action, **payload)
        kind, answered, *rest = await self.receive()
        assert answered == message_id
        assert kind in (3, 4)
        return rest[0]

    async def boot(self) -> Any:
        """Send BootNotification."""
        return await self.call(
            "BootNotification",
            chargePointVendor="NexBlue",
            chargePointModel="Delta Max",
            chargePointSerialNumber=self.id,
        )

    async def start(self, **payload: Any) -> Any:
        """Send StartTransaction."""
        payload = {"connectorId": 1, "meterStart": 0, "idTag": CARD} | payload
        return await self.call("StartTransaction", **payload)

    async def stop(self, transaction: int, meter: float, **payload: Any) -> Any:
        """Send StopTransaction."""
        payload = {"transactionId": transaction, "meterStop": meter} | payload
        return await self.call("StopTransaction", **payload)

    @property
    def unread(self) -> int:
        """Return how many messages of the central system wait."""
        return self.socket.to_charger.qsize()


async def settled() -> None:
    """Let all tasks run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


def shown(time: datetime) -> str:
    """Return a time as chargers write it."""
    return time.isoformat().replace("+00:00", "Z")
