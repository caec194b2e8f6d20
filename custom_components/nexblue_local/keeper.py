"""Keeps what was asked of a charger so: the keep-alive, and restoring."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
import logging
import math
import time
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import LOGGER
from .control.control import Control, Write, agrees
from .control.fallback import Fallback
from .control.keep_alive import period
from .control.lease import Lease
from .control_events import ControlEvent, ControlEventType
from .modbus.client import Client
from .modbus.enums import StartStop, WaitingReasons
from .modbus.errors import (
    BadAnswer,
    CannotConnect,
    ChargerError,
    ConnectionReleased,
    InUse,
    Refused,
    WrongCharger,
)
from .modbus.model import Register
from .modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
    Settings,
)
from .modbus.session import Session
from .modbus.snapshot import Snapshot
from .storage import intent_store

CONFIRM_FOR: Final = 5.0
"""Seconds for which a read-back may still show the value before a write."""

CONFIRM_EVERY: Final = 0.5
"""Seconds between two reads of the settings after a write."""

RETRY_AFTER: Final = 5.0
"""Seconds to the next try of a write that keeps control."""

LEAVE_ALONE: Final = 10.0
"""The same while somebody else's connection would be disturbed."""

AFTER_LIMIT: Final = (
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
)
"""What is restored only if the current limit was taken; STOP comes before it."""


@dataclass(frozen=True)
class Command:
    """What is asked for, and what is written for it."""

    register: Register[Any]
    value: Any
    wire: Any
    lease: Lease | None


class ChargerKeeper:
    """Writes to one charger what was asked for before, one thing after the other."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        charger: Client,
        *,
        on_update: Callable[[Snapshot | None], None],
        on_event: Callable[[ControlEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the charger, and whom to tell when something changed.

        They are told what was read when that is more than the settings.
        """
        self.control = Control()
        self._hass = hass
        self._entry = entry
        self._charger = charger
        self._on_update = on_update
        self._on_event = on_event
        self._time = clock
        self._store = intent_store(hass, entry.entry_id)
        self._lock = asyncio.Lock()
        self._restored_on: Session | None = None
        # The names of what the charger was too busy to restore on it.
        self._left: set[str] = set()
        self._not_restored: StartStop | None = None
        # A command of which nobody could read what became of it.
        self._uncertain: Command | None = None
        self._limit_written_at = clock()
        self._has_written_limit = False
        self._phase_settled_at = clock()
        self._fallback = Fallback()
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def async_load(self) -> None:
        """Take over what was asked for before a restart."""
        if (stored := await self._store.async_load()) is not None:
            self.control = Control.from_dict(stored)
        await self._expire()
        self._async_keep()

    async def _async_save(self) -> None:
        await self._store.async_save(self.control.as_dict())

    @callback
    def _async_keep(self) -> None:
        """Start or stop to write the current limit again and again."""
        self._wake.set()
        if self._is_stopped or not self.control.is_in_control:
            if self._keeper is not None:
                self._keeper.cancel()
                self._keeper = None
        elif self._keeper is None or self._keeper.done():
            self._keeper = self._entry.async_create_background_task(
                self._hass, self._keep(), f"{self._entry.title} keep-alive"
            )

    @callback
    def async_stop(self) -> None:
        """Stop for good, also after a command that is still under way."""
        self._is_stopped = True
        self._charger.reclaim_connection()
        self._async_keep()

    async def async_finish(self) -> None:
        """Stop for good, once the command that is under way is seen through."""
        self.async_stop()
        async with self._lock:
            pass

    async def _keep(self) -> None:
        retry_at = 0.0
        while self.control.is_in_control:
            self._wake.clear()
            every = period(self._charger.settings.fallback_timeout)
            due_at = max(self._limit_written_at + every, retry_at)
            if (lease := self.control.lease) is not None:
                left = lease.remaining(dt_util.utcnow()).total_seconds()
                due_at = min(due_at, self._time() + left)
            try:
                async with asyncio.timeout(max(0.0, due_at - self._time())):
                    await self._wake.wait()
                continue
            except TimeoutError:
                pass
            try:
                async with self._lock:
                    if await self._expire():
                        self._limit_written_at = -math.inf
                        self._on_update(None)
                    # This writes the limit as well if it has to restore it.
                    connection = await self._ready(patient=False)
                    await self._write_limit_if_due(connection)
            except ChargerError as error:
                LOGGER.debug("%s: keep-alive failed: %s", self._entry.title, error)
                retry_at = self._time() + self._wait_after(error, every)
            except Exception:  # noqa: BLE001 (nothing else would keep control)
                LOGGER.exception("%s: keep-alive failed", self._entry.title)
                retry_at = self._time() + RETRY_AFTER

    def _wait_after(self, error: ChargerError, every: float) -> float:
        """Return the seconds to wait after a failure."""
        if isinstance(error, ConnectionReleased):
            # It may be taken back early.
            return min(error.seconds, LEAVE_ALONE)
        if isinstance(error, InUse | WrongCharger):
            return LEAVE_ALONE
        return min(RETRY_AFTER, every)

    async def _expire(self) -> bool:
        """Take the safe limit over when the current limit was not renewed in time.

        Returns whether that was so.
        """
        if not self.control.expire(dt_util.utcnow()):
            return False
        await self._async_save()
        limit = self.control.intent.current_limit
        self._on_event(ControlEvent(ControlEventType.LIMIT_EXPIRED, {"limit": limit}))
        LOGGER.info("%s: current limit not renewed, now %s A", self._entry.title, limit)
        return True

    async def _write_limit_if_due(self, connection: Session) -> None:
        every = period(self._charger.settings.fallback_timeout)
        is_due = self._time() - self._limit_written_at >= every
        if is_due and self.control.limit is not None:
            await self._write(CURRENT_LIMIT, self.control.limit, connection)

    async def _keep_alive(self) -> None:
        """Write the current limit if it is due, in the middle of something else.

        On a connection without the intent it is not known what is safe. That
        the limit is not written is no failure of what is under way.
        """
        if self._restored_on is None:
            return
        try:
            await self._write_limit_if_due(self._restored_on)
        except ChargerError as error:
            LOGGER.debug("%s: keep-alive failed: %s", self._entry.title, error)

    async def _write(
        self, register: Register[Any], value: Any, connection: Session
    ) -> None:
        # The time before the write, which is when the charger counts from at
        # the earliest.
        now = self._time()
        if register is PHASE_MODE:
            self._phase_settled_at = now + CONFIRM_FOR
        await connection.write(register, value)
        if register is CURRENT_LIMIT:
            self._limit_written_at = now
            self._has_written_limit = True

    async def _read_back(
        self, register: Register[Any], value: Any, connection: Session
    ) -> Any:
        """Return what a setting reads as, once it is the value or has had its time."""
        give_up_at = self._time() + CONFIRM_FOR
        while True:
            try:
                settings = await connection.read_settings()
            except Refused as error:
                # It is the read that was refused, not the write before it.
                raise BadAnswer(str(error)) from error
            found = getattr(settings, register.name)
            if agrees(found, value) or self._time() + CONFIRM_EVERY > give_up_at:
                return found
            if register is not CURRENT_LIMIT:
                # The keep-alive does not wait for a charger that takes its time.
                await self._keep_alive()
            await asyncio.sleep(CONFIRM_EVERY)

    async def _ready(self, *, patient: bool = True, polled: bool = False) -> Session:
        """Return a connection on which the intent has been restored.

        What was found before that is told, unless a poll does so.
        """
        if self._is_stopped:
            raise CannotConnect("the charger was unloaded")
        connection = await self._charger.connect(patient=patient)
        if connection is not self._restored_on:
            found = await self._restore(connection)
            if found is not None and not polled:
                self._on_update(found)
            # The charger may have another timeout than before.
            self._async_keep()
        return connection

    async def _restore(self, connection: Session) -> Snapshot | None:
        """Restore the intent; return what was read before, if there is one."""
        if self._uncertain is not None:
            # What nobody could read after a write is found out now.
            lost = self._uncertain
            found = await self._read_back(lost.register, lost.wire, connection)
            if agrees(found, lost.wire):
                await self._keep_in_mind(lost, lost.value)
            self._uncertain = None
        if self.control.intent == Settings():
            self._restored_on = connection
            return None
        snapshot = await self._charger.poll()
        await self._expire()
        # Whether it is still the same session has to be known before.
        if self._observe(snapshot, at_once=True):
            await self._async_save()
        settings = self._charger.settings
        writes = self.control.restoration(settings, dt_util.utcnow())
        await self._carry_out(writes, connection)
        self._restored_on = connection
        if self.control.awaits_phase_mode and self.control.is_in_control:
            LOGGER.warning(
                "%s is limited to 6 A until its phase mode may be restored",
                self._entry.title,
            )
        return snapshot

    async def _keep_in_mind(self, command: Command, value: Any) -> None:
        self.control.confirm(command.register, value, command.lease)
        await self._async_save()

    def _still_to_restore(self) -> list[Write]:
        """Return the writes that restore what could not be restored at once."""
        now = dt_util.utcnow()
        if not self._left:
            return self.control.phase_restoration(now)
        writes = self.control.restoration(self._charger.settings, now)
        self._left &= {register.name for register, _ in writes}
        # The limit comes with them, as it has to be taken before most.
        again = {*self._left, CURRENT_LIMIT.name} if self._left else set()
        return [write for write in writes if write[0].name in again]

    async def _carry_out(self, writes: list[Write], connection: Session) -> None:
        """Make the writes of a restoration, and tell what it restored.

        What the charger refuses is passed over, and what it is too busy for is
        left for the next poll; so is what is safe only with the current limit.
        """
        before = self._charger.settings
        done = []
        has_limit = True
        for register, value in writes:
            self._left.discard(register.name)
            if not has_limit and register in AFTER_LIMIT:
                self._left.add(register.name)
                continue
            if register is START_STOP and (value is not self.control.intent.start_stop):
                # Its session was seen to end meanwhile.
                continue
            try:
                is_taken = await self._restore_one(register, value, connection)
            except Refused as error:
                self._passed_over(register, value, error, connection)
                has_limit = has_limit and register is not CURRENT_LIMIT
                continue
            if is_taken:
                done.append((register, value))
        # A charger that ignores this is not waited for before it has its limit.
        commands = [write for write in done if write[0] is START_STOP]
        for register, value in commands:
            shown = await self._read_back(register, value, connection)
            self._not_restored = None if shown == value else value
            if shown != value:
                done.remove((register, value))
        if connection is self._restored_on:
            # What goes with the rest has been told when it was lost.
            done = [write for write in done if write[0] is not CURRENT_LIMIT]
        self._tell_restored(done, before)

    def _tell_restored(self, done: list[Write], before: Settings) -> None:
        """Tell which settings were restored to another value than there was."""
        settings = list(
            dict.fromkeys(
                register.name
                for register, value in done
                if not agrees(getattr(before, register.name), value)
            )
        )
        if settings:
            self._on_event(
                ControlEvent(ControlEventType.RESTORED, {"settings": settings})
            )
            LOGGER.info("%s: restored %s", self._entry.title, ", ".join(settings))

    async def _restore_one(
        self, register: Register[Any], value: Any, connection: Session
    ) -> bool:
        """Write one setting; return whether it was in full."""
        # Until the phase mode is seen to be restored this is a lower limit.
        safe = self.control.on_the_wire(register, value)
        if register is not PHASE_MODE:
            await self._write(register, safe, connection)
            return bool(safe == value)
        await self._count_switch(connection)
        await self._write(register, value, connection)
        shown = await self._read_back(register, value, connection)
        self.control.phase_mode_shown(shown)
        return bool(shown == value)

    def _passed_over(
        self, register: Register[Any], value: Any, error: Refused, connection: Session
    ) -> None:
        """Take note of a write that was refused when it was to restore something."""
        is_news = connection is not self._restored_on and not error.is_busy
        LOGGER.log(
            logging.WARNING if is_news else logging.DEBUG,
            "%s refused to have %s restored: %s",
            self._entry.title,
            register.name,
            error,
        )
        if register is CURRENT_LIMIT:
            # The keep-alive tries it again soon.
            self._limit_written_at = -math.inf
        elif error.is_busy:
            self._left.add(register.name)
        elif register is START_STOP:
            self._not_restored = value

    async def _count_switch(self, connection: Session) -> None:
        """Count a switch of the phases, and save that, before it is written."""
        await connection.check_writable()
        self.control.count_switch(dt_util.utcnow())
        await self._async_save()

    async def async_observe(self, snapshot: Snapshot) -> None:
        """Take note of what was read, and restore what a reconnect may have lost."""
        if self._observe(snapshot):
            await self._async_save()
        if self._lock.locked():
            # Whoever holds it restores first, or the next poll does.
            return
        async with self._lock:
            try:
                connection = await self._ready(patient=False, polled=True)
                if writes := self._still_to_restore():
                    await self._carry_out(writes, connection)
            except ChargerError as error:
                LOGGER.debug("%s: not restored: %s", self._entry.title, error)
        # Somebody else may have set another timeout.
        self._wake.set()

    def _observe(self, snapshot: Snapshot, *, at_once: bool = False) -> bool:
        """Take note of what was read; return whether what is stored changed."""
        self._observe_fallback(snapshot)
        lost = self._uncertain
        settled = self._time() >= self._phase_settled_at and (
            lost is None or lost.register is not PHASE_MODE
        )
        return self.control.observe(
            snapshot.reading,
            snapshot.settings if settled else Settings(),
            snapshot.session_energy_read,
            dt_util.utcnow(),
            at_once=at_once,
        )

    def _observe_fallback(self, snapshot: Snapshot) -> None:
        reasons = snapshot.reading.waiting_reasons
        before = self._fallback.is_active
        self._fallback.observe(
            None if reasons is None else WaitingReasons.MODBUS_FALLBACK in reasons,
            self._time(),
            written_at=self._limit_written_at if self._has_written_limit else None,
            timeout=snapshot.settings.fallback_timeout,
        )
        # After a start it is news only if it ended our control.
        is_news = before is False or (before is None and self.control.is_in_control)
        if self._fallback.is_active and is_news:
            self._on_event(ControlEvent(ControlEventType.FALLBACK_ENGAGED))

    @property
    def has_unexpected_fallback(self) -> bool:
        """Return whether the fallback fired in the last hour in spite of control."""
        is_unexpected = self._fallback.was_unexpected(self._time())
        return self.control.is_in_control and is_unexpected
