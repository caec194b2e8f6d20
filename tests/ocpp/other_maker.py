"""A charge point of another maker: the ocpp library, with the states and codes of a vendor."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from ocpp.routing import after, on
from ocpp.v16 import ChargePoint as LibraryChargePoint, call, call_result
from ocpp.v16.enums import Action, Reason, RemoteStartStopStatus, TriggerMessageStatus

from tests.library_connection import Connection

from .conftest import PASSWORD

VENDOR = "BRIGHTBLU"
MODEL = "JOLT HOME PLUS"
ID = "BBJHP-0042"


def now() -> str:
    """Return the time as OCPP writes it."""
    return datetime.now(UTC).isoformat()


class OtherMaker(LibraryChargePoint):
    """A charger with OCPP only; its meter restarts at 0 with each transaction."""

    serial_number: str | None = "JHP24110042"
    transaction: int | None = None
    meter = 0
    """Wh"""

    def __init__(self, charge_point_id: str, connection: Connection) -> None:
        """Initialize with an open connection."""
        super().__init__(charge_point_id, connection)
        self.tasks: set[asyncio.Task[Any] | None] = set()
        """What follows commands, and must end with the connection."""

    async def boot(self) -> str:
        """Say who it is; return the registration status."""
        answer = await self.call(
            call.BootNotification(
                charge_point_vendor=VENDOR,
                charge_point_model=MODEL,
                charge_point_serial_number=self.serial_number,
                firmware_version="2.4.1",
            )
        )
        return str(answer.status)

    async def status(self, status: str, error: str = "NoError", **more: Any) -> None:
        """Report a status and an error, which OCPP need not know."""
        message = call.StatusNotification(
            connector_id=1,
            error_code=error,  # type: ignore[arg-type]
            status=status,  # type: ignore[arg-type]
            **more,
        )
        await self.call(message, skip_schema_validation=True)

    async def start_transaction(self, tag: str) -> str:
        """Start a transaction; return the status of the tag."""
        self.meter = 0
        answer = await self.call(
            call.StartTransaction(
                connector_id=1, id_tag=tag, meter_start=0, timestamp=now()
            )
        )
        self.transaction = answer.transaction_id
        return str(answer.id_tag_info["status"])

    async def measure(self, *samples: tuple[str, str, float, str | None]) -> None:
        """Report what was measured: measurand, unit, value and phase."""
        sampled = [
            {"measurand": measurand, "unit": unit, "value": f"{value}"}
            | ({} if phase is None else {"phase": phase})
            for measurand, unit, value, phase in samples
        ]
        message = call.MeterValues(
            connector_id=1,
            transaction_id=self.transaction,
            meter_value=[{"timestamp": now(), "sampledValue": sampled}],
        )
        # `C` is no unit of OCPP.
        await self.call(message, skip_schema_validation=True)

    async def measure_energy(self, meter: int) -> None:
        """Report the energy register in Wh."""
        self.meter = meter
        await self.measure(("Energy.Active.Import.Register", "Wh", meter, None))

    async def stop_transaction(self, reason: Reason) -> None:
        """Stop the transaction."""
        assert self.transaction is not None
        await self.call(
            call.StopTransaction(
                meter_stop=self.meter,
                timestamp=now(),
                transaction_id=self.transaction,
                reason=reason,
            )
        )
        self.transaction = None
        await self.status("Finishing")

    @on(Action.remote_start_transaction)  # type: ignore[untyped-decorator]
    def on_remote_start(self, **_: Any) -> call_result.RemoteStartTransaction:
        """Accept."""
        return call_result.RemoteStartTransaction(RemoteStartStopStatus.accepted)

    @after(Action.remote_start_transaction)  # type: ignore[untyped-decorator]
    async def remotely_started(self, id_tag: str, **_: Any) -> None:
        """Start a transaction."""
        self.tasks.add(asyncio.current_task())
        await self.start_transaction(id_tag)
        await self.status("Charging")

    @on(Action.remote_stop_transaction)  # type: ignore[untyped-decorator]
    def on_remote_stop(self, transaction_id: int) -> call_result.RemoteStopTransaction:
        """Accept if it runs."""
        return call_result.RemoteStopTransaction(
            RemoteStartStopStatus.accepted
            if transaction_id == self.transaction
            else RemoteStartStopStatus.rejected
        )

    @after(Action.remote_stop_transaction)  # type: ignore[untyped-decorator]
    async def remotely_stopped(self, transaction_id: int) -> None:
        """Stop the transaction."""
        self.tasks.add(asyncio.current_task())
        await self.stop_transaction(Reason.remote)

    @on(Action.trigger_message)  # type: ignore[untyped-decorator]
    def on_trigger(self, **_: Any) -> call_result.TriggerMessage:
        """Accept."""
        return call_result.TriggerMessage(TriggerMessageStatus.accepted)

    @after(Action.trigger_message)  # type: ignore[untyped-decorator]
    async def triggered(self, requested_message: str, **_: Any) -> None:
        """Send a BootNotification or a status."""
        self.tasks.add(asyncio.current_task())
        if requested_message == "BootNotification":
            await self.boot()
        else:
            await self.status("Available" if self.transaction is None else "Charging")


@asynccontextmanager
async def connected(
    url: str, charge_point_id: str = ID, **attributes: Any
) -> AsyncIterator[OtherMaker]:
    """Connect a charge point of another maker."""
    encoded = base64.b64encode(f"{charge_point_id}:{PASSWORD}".encode()).decode()
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(
            f"{url}/{charge_point_id}",
            protocols=("ocpp1.6",),
            headers={"Authorization": f"Basic {encoded}"},
        ) as websocket,
    ):
        charger = OtherMaker(charge_point_id, Connection(websocket))
        for name, value in attributes.items():
            setattr(charger, name, value)
        reading = asyncio.create_task(charger.start())
        try:
            yield charger
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            for task in (tasks := list(filter(None, charger.tasks))):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
