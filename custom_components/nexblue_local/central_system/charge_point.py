"""A charge point: answers its messages, and keeps what is known of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
import logging
from typing import Any, Final

from ocpp.v16 import call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import (
    AuthorizationStatus,
    DataTransferStatus,
    MessageTrigger,
    RegistrationStatus,
)

from ..ledger.session import EndReason
from .charger_clock import ChargerClock, is_late
from .commands import Commands
from .conversation import Conversation, NotAllowed, UnknownAction
from .environment import Environment
from .errors import CommandError, ErrorKey
from .events import (
    Discovered,
    Event,
    StateChanged,
    TagPresented,
    TransactionEnded,
    TransactionStarted,
)
from .messages import Payload, Request
from .meter_values import MeterValues, samples
from .state import BootInfo, ChargePointState, OpenTransaction
from .status_reports import StatusReport
from .tags import OWN_TAG, Tags, is_own, ocpp_time
from .tolerance import (
    CLOCK_TOLERANCE,
    ErrorCode,
    Moment,
    Status,
    end_reason,
    integer,
    moment,
    number,
    text,
)
from .transactions import Transaction, TransactionNumbers, Transactions

_LOGGER = logging.getLogger(__name__)

HEARTBEAT_INTERVAL: Final = 300
"""s; OCPP requires one in the answer to BootNotification."""

PENDING_INTERVAL: Final = 30
"""s until a charge point that is not adopted sends another BootNotification."""

BOOT_PATIENCE: Final = 10.0
"""s after a connection until BootNotification is asked for, and then until the status is."""

REMOTE_START_WINDOW: Final = timedelta(seconds=60)
"""How long after our RemoteStartTransaction `OWN_TAG` is accepted."""

SAME_PRESENTATION: Final = timedelta(minutes=5)
"""How long after Authorize a StartTransaction is no other presentation of the tag."""

SAVE_READINGS_EVERY: Final = timedelta(minutes=5)

ALLOWED_BEFORE_ADOPTION: Final = {
    "BootNotification",
    "Heartbeat",
    "StatusNotification",
}

type _Handler = Callable[[Mapping[str, object], datetime], Awaitable[object]]


class ChargePoint:
    """A charge point, connected or not."""

    def __init__(
        self,
        charge_point_id: str,
        *,
        environment: Environment,
        numbers: TransactionNumbers,
        tags: Callable[[], Tags],
        save: Callable[[], Awaitable[bool]],
        stored: Mapping[str, Any] | None = None,
    ) -> None:
        """Initialize with what was stored; nothing was if it is not adopted."""
        self.id = charge_point_id
        self._environment = environment
        self._numbers = numbers
        self._tags = tags
        self._save = save
        self._conversation: Conversation | None = None
        self._boot_request: asyncio.Task[None] | None = None
        self._has_booted = False
        self._authorized: tuple[str, datetime] | None = None
        self._saved_at = environment.now()
        self._reports: dict[int, StatusReport] = {}
        # Those of the charge point itself, and of its first connector.
        self._meter_values = {0: MeterValues(), 1: MeterValues()}
        is_adopted = stored is not None
        stored = stored or {}
        self.charger_id = text(stored.get("charger_id")) or charge_point_id
        """The charger of its sessions in the ledger."""
        self._clock = ChargerClock(is_right=stored.get("clock_is_right") is True)
        self._list_version = integer(stored.get("list_version")) or 0
        remote_start = moment(stored.get("remote_start"), environment.now())
        self._remote_start = remote_start.time if remote_start.is_from_charger else None
        self._transactions = Transactions.from_dict(stored.get("transactions"))
        self._state = ChargePointState(
            is_adopted=is_adopted,
            boot=BootInfo.from_dict(stored.get("boot")),
            transaction=self._open_transaction(),
        )
        self._published = self._state
        self.commands = Commands(self)
        """What it can be asked besides `start` and `stop`."""
        self._handlers: Mapping[str, _Handler] = {
            "Authorize": self._authorize,
            "BootNotification": self._boot_notification,
            "DataTransfer": self._data_transfer,
            "DiagnosticsStatusNotification": self._diagnostics_status,
            "FirmwareStatusNotification": self._firmware_status,
            "Heartbeat": self._heartbeat,
            "MeterValues": self._report_meter_values,
            "StartTransaction": self._start_transaction,
            "StatusNotification": self._status_notification,
            "StopTransaction": self._stop_transaction,
        }

    @property
    def state(self) -> ChargePointState:
        """Return what is known of it."""
        return self._state

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        self._saved_at = self._environment.now()
        return {
            "charger_id": self.charger_id,
            "boot": None if self._state.boot is None else self._state.boot.as_dict(),
            "clock_is_right": self._clock.is_right,
            "list_version": self._list_version,
            "remote_start": self._remote_start and self._remote_start.isoformat(),
            "transactions": self._transactions.as_dict(),
        }

    # The connection

    def attach(self, conversation: Conversation) -> Conversation | None:
        """Use a connection from now on; return the one before, to be closed."""
        before, self._conversation = self._conversation, conversation
        now = self._environment.now()
        self._reports = {
            connector: replace(report, is_late=True)
            for connector, report in self._reports.items()
        }
        self._update(is_connected=True, connected_at=now)
        self._publish()
        self._request_boot(BOOT_PATIENCE)
        return before

    def detach(self, conversation: Conversation) -> None:
        """Note that a connection ended; nothing if another one replaced it."""
        if self._conversation is not conversation:
            return
        self._conversation = None
        if self._boot_request is not None:
            self._boot_request.cancel()
        self._update(is_connected=False, connected_at=None)
        self._publish()

    async def close(self) -> None:
        """Close the connection."""
        if self._conversation is not None:
            await self._conversation.close()

    def adopt(self, charger_id: str) -> None:
        """Accept it as the charger of a serial number, from its next message on."""
        self.charger_id = charger_id
        if self._state.is_adopted:
            return
        self._update(is_adopted=True)
        self._publish()
        # It was told Pending: it need not wait for its next attempt.
        self._has_booted = False
        if self._conversation is not None:
            self._request_boot(0)

    def _request_boot(self, patience: float) -> None:
        if self._boot_request is not None:
            self._boot_request.cancel()
        if not self._has_booted:
            self._boot_request = asyncio.create_task(self._ask_for_boot(patience))

    async def _ask_for_boot(self, patience: float) -> None:
        """Read who it is, if it does not say so: it kept its state in our restart."""
        await asyncio.sleep(patience)
        if not self._state.is_adopted:
            if not self._has_booted:
                self._notify(Discovered(self.id, None))
            return
        try:
            if not self._has_booted:
                # Once is enough, whatever it answers.
                self._has_booted = True
                await self.commands.trigger_message(MessageTrigger.boot_notification)
            # Most report their status by themselves after that.
            await asyncio.sleep(BOOT_PATIENCE)
            if self._state.status is None:
                # It may stay the same for days.
                await self.commands.trigger_message(
                    MessageTrigger.status_notification, connector_id=1
                )
        except CommandError as error:
            _LOGGER.debug("%s: %s", self.id, error)

    # Commands

    async def call(self, request: object) -> Payload:
        """Send a request of the ocpp library, return the answer; raises CommandError."""
        if not self._state.is_adopted:
            raise CommandError(ErrorKey.NOT_ADOPTED, type(request).__name__)
        if self._conversation is None:
            raise CommandError(ErrorKey.NOT_CONNECTED, type(request).__name__)
        return await self._conversation.call(request)

    async def start(self, tag: str = OWN_TAG, connector_id: int = 1) -> None:
        """Start a transaction; raises CommandError."""
        if self._conversation is None:
            raise CommandError(ErrorKey.NOT_CONNECTED, "RemoteStartTransaction")
        before = self._remote_start
        if is_own(tag):
            self._remote_start = self._environment.now()
            # StartTransaction may come after a restart of Home Assistant.
            await self._save()
        try:
            await self.commands.remote_start(tag, connector_id)
        except CommandError as error:
            if error.key not in (ErrorKey.NO_ANSWER, ErrorKey.CONNECTION_LOST):
                self._remote_start = before
            raise

    async def stop(self) -> None:
        """Stop the open transaction; raises CommandError."""
        transaction = self._state.transaction
        if transaction is None:
            raise CommandError(ErrorKey.NO_TRANSACTION, "RemoteStopTransaction")
        await self.commands.remote_stop(transaction.number)

    async def send_local_list(self) -> int:
        """Replace the local list by the known tags, return its version.

        Raises CommandError.
        """
        there = await self.commands.get_local_list_version()
        version = max(there, self._list_version, 0) + 1
        tags = self._tags().local_list(self._environment.now())
        self._list_version = await self.commands.send_local_list(tags, version)
        await self._save()
        return self._list_version

    # Messages of the charge point

    async def answer(self, request: Request) -> object:
        """Return the answer to a request; raises UnknownAction and NotAllowed."""
        if (handler := self._handlers.get(request.action)) is None:
            raise UnknownAction
        if not (self._state.is_adopted or request.action in ALLOWED_BEFORE_ADOPTION):
            raise NotAllowed
        try:
            return await handler(request.payload, self._environment.now())
        finally:
            self._publish()

    def received(self, *, is_bad: bool) -> None:
        """Note that a message came."""
        self._update(
            last_seen=self._environment.now(),
            bad_messages=self._state.bad_messages + is_bad,
        )

    async def _boot_notification(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.BootNotification:
        self._has_booted = True
        self._update(boot=BootInfo.from_payload(payload))
        if self._state.is_adopted:
            await self._save()
            registration, interval = RegistrationStatus.accepted, HEARTBEAT_INTERVAL
        else:
            self._notify(Discovered(self.id, self._state.boot))
            registration, interval = RegistrationStatus.pending, PENDING_INTERVAL
        return call_result.BootNotification(
            current_time=ocpp_time(now), interval=interval, status=registration
        )

    async def _heartbeat(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=ocpp_time(now))

    async def _status_notification(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.StatusNotification:
        when = self._time_of(now)(payload.get("timestamp"))
        report = StatusReport.from_payload(
            payload, when.time, is_late=self._is_late(when)
        )
        connector = integer(payload.get("connectorId")) or 0
        if connector in (0, 1) and report.replaces(self._reports.get(connector)):
            self._reports[connector] = report
            self._show_reports()
        return call_result.StatusNotification()

    def _show_reports(self) -> None:
        whole = self._reports.get(0)
        first = self._reports.get(1) or self._reports[0]
        failed = first
        if whole is not None and first.error is ErrorCode.NO_ERROR:
            failed = whole
        if first.status is Status.AVAILABLE:
            self._vehicle_gone()
        self._update(
            status=first.status,
            reported_status=first.reported_status,
            error=failed.error,
            vendor_error=failed.vendor_error,
            info=failed.info,
            is_operative=Status.UNAVAILABLE
            not in {report.status for report in self._reports.values()},
        )

    async def _authorize(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.Authorize:
        tag = text(payload.get("idTag")) or ""
        info = self._tag_info(tag, now)
        self._authorized = (tag, now)
        self._presented(tag, info)
        return call_result.Authorize(id_tag_info=info)

    def _tag_info(self, tag: str, time: datetime) -> IdTagInfo:
        if not is_own(tag):
            return self._tags().info(tag, time)
        accepted = (
            self._remote_start is not None
            and -CLOCK_TOLERANCE <= time - self._remote_start <= REMOTE_START_WINDOW
        )
        return IdTagInfo(
            status=AuthorizationStatus.accepted
            if accepted
            else AuthorizationStatus.invalid
        )

    def _presented(self, tag: str, info: IdTagInfo) -> None:
        if tag and not is_own(tag):
            known = self._tags().find(tag)
            self._notify(
                TagPresented(
                    self.id,
                    tag,
                    known.name if known else None,
                    info.status == AuthorizationStatus.accepted,
                )
            )

    def _tag_name(self, tag: str) -> str:
        known = self._tags().find(tag)
        return known.name if known else tag

    async def _start_transaction(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.StartTransaction:
        when = self._time_of(now)(payload.get("timestamp"))
        late = self._is_late(when)
        tag = text(payload.get("idTag")) or ""
        connector = integer(payload.get("connectorId"))
        connector = 1 if connector is None else connector
        meter = number(payload.get("meterStart"))
        reported = text(payload.get("timestamp")) or ""
        transaction = self._transactions.repeated(connector, tag, meter, reported)
        if transaction is None:
            # Until the first await: the same message may come over a new connection.
            transaction = Transaction(
                number=self._numbers.next(),
                connector_id=connector,
                tag=tag,
                name=self._tag_name(tag),
                status=self._tag_info(tag, when.time if late else now).status,
                reported_start=reported,
                start=when.time,
                is_start_known=when.is_from_charger,
                reported_meter_start=meter,
                meter=meter,
                seen=when.time,
            )
            self._transactions.begin(transaction)
        for displaced in self._transactions.displaced_by(transaction):
            await self._end(
                displaced,
                displaced.ended(displaced.seen, EndReason.OTHER, is_reconstructed=True),
                is_late=True,
            )
        await self._must_save()
        # One that has ended meanwhile does not start any more.
        if transaction.end is None and not transaction.is_announced:
            transaction.is_announced = True
            if meter is not None and not late:
                self._measured(connector, MeterValues(energy=meter))
            self._show_transaction()
            if not late and not self._was_authorized(tag, now):
                self._presented(tag, IdTagInfo(status=transaction.status))
            self._notify(TransactionStarted(self.id, transaction.shown(), late))
        return call_result.StartTransaction(
            transaction_id=transaction.number,
            id_tag_info=IdTagInfo(status=transaction.status),
        )

    async def _must_save(self) -> None:
        """Store the state; raises OSError, so that the charge point repeats its message."""
        if not await self._save():
            raise OSError("not stored")

    def _was_authorized(self, tag: str, now: datetime) -> bool:
        return (
            self._authorized is not None
            and self._authorized[0].casefold() == tag.casefold()
            and now - self._authorized[1] <= SAME_PRESENTATION
        )

    async def _report_meter_values(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.MeterValues:
        connector = integer(payload.get("connectorId"))
        connector = 1 if connector is None else connector
        transaction = self._transaction_of(payload, connector)
        for sample in samples(payload.get("meterValue"), self._time_of(now)):
            if transaction is not None:
                transaction.take(sample.values, sample.moment.time)
            if not self._is_late(sample.moment):
                self._measured(connector, sample.values)
        self._show_transaction()
        if transaction is not None and now - self._saved_at > SAVE_READINGS_EVERY:
            await self._save()
        return call_result.MeterValues()

    def _transaction_of(
        self, payload: Mapping[str, object], connector: int
    ) -> Transaction | None:
        number = integer(payload.get("transactionId"))
        if number is None or number <= 0:
            return self._transactions.on_connector(connector)
        found = self._transactions.to_end(number, "", None)
        return None if found is None or found.end is not None else found

    async def _stop_transaction(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.StopTransaction:
        time_of = self._time_of(now)
        when = time_of(payload.get("timestamp"))
        transaction_number = integer(payload.get("transactionId"))
        meter = number(payload.get("meterStop"))
        reported = text(payload.get("timestamp")) or ""
        begun = self._transactions.to_end(transaction_number, reported, meter)
        if begun is None:
            tag = text(payload.get("idTag")) or ""
            transaction = Transaction(
                number=max(transaction_number or 0, 0),
                tag=tag,
                name=self._tag_name(tag),
                start=when.time,
                seen=when.time,
            )
        elif begun.is_final:
            # It is repeated because the answer was lost, or storing failed.
            await self._must_save()
            return call_result.StopTransaction()
        else:
            transaction = replace(begun)
        for sample in samples(payload.get("transactionData"), time_of):
            if begun is None:
                transaction.start = min(transaction.start, sample.moment.time)
            transaction.take(sample.values, sample.moment.time)
        if meter is not None:
            transaction.read(meter, is_final=True)
            if not self._is_late(when):
                self._measured(transaction.connector_id, MeterValues(energy=meter))
        ended = transaction.ended(
            when.time,
            end_reason(payload.get("reason")),
            is_reconstructed=begun is None,
        )
        ended.reported_end, ended.reported_meter_end = reported, meter
        ended.is_final = True
        await self._end(begun, ended, is_late=self._is_late(when))
        await self._must_save()
        return call_result.StopTransaction()

    async def _end(
        self, begun: Transaction | None, ended: Transaction, *, is_late: bool
    ) -> None:
        """Record a session, and only then forget that the transaction was open."""
        if begun is None:
            self._transactions.make_start_unique(ended)
        session = ended.session(self.charger_id)
        await self._environment.record(session)
        self._transactions.end(begun, ended)
        # Other connectors than the first are not shown.
        if ended.connector_id in self._meter_values:
            if not is_late:
                self._vehicle_gone()
            self._update(end_reason=ended.end_reason)
        self._show_transaction()
        self._notify(TransactionEnded(self.id, session, is_late))

    async def _firmware_status(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.FirmwareStatusNotification:
        self._update(firmware_status=text(payload.get("status")))
        return call_result.FirmwareStatusNotification()

    async def _diagnostics_status(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.DiagnosticsStatusNotification:
        self._update(diagnostics_status=text(payload.get("status")))
        return call_result.DiagnosticsStatusNotification()

    async def _data_transfer(
        self, payload: Mapping[str, object], now: datetime
    ) -> call_result.DataTransfer:
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)

    # What is known of it

    def _time_of(self, now: datetime) -> Callable[[object], Moment]:
        return lambda value: self._clock.moment(value, now)

    def _is_late(self, when: Moment) -> bool:
        return is_late(when, self._state.connected_at)

    def _measured(self, connector: int, values: MeterValues) -> None:
        """Note what was measured now, if it is of those that are shown."""
        if (before := self._meter_values.get(connector)) is not None:
            self._meter_values[connector] = before.merged(values)

    def _vehicle_gone(self) -> None:
        self._meter_values = {
            connector: values.without_vehicle()
            for connector, values in self._meter_values.items()
        }

    def _open_transaction(self) -> OpenTransaction | None:
        """Return the open transaction, of several the one on the first connector."""
        first = self._transactions.on_connector(1)
        for each in (first, *reversed(self._transactions.open)):
            if each is not None:
                return each.shown()
        return None

    def _show_transaction(self) -> None:
        self._update(
            transaction=self._open_transaction(),
            meter_values=self._meter_values[0].merged(self._meter_values[1]),
        )

    def _update(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)

    def _publish(self) -> None:
        """Report the state, once for all that a message changed."""
        if self._state != self._published:
            self._published = self._state
            self._environment.notify(StateChanged(self.id))

    def _notify(self, event: Event) -> None:
        """Report an event, after the state that it led to."""
        self._publish()
        self._environment.notify(event)
