"""Carries out what is asked of a charger."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
import math
from typing import Any, Final, NoReturn

from homeassistant.util import dt as dt_util

from .const import LOGGER
from .control.control import LEAST_CURRENT, Rejected, agrees, in_steps, known
from .control.keep_alive import longest_silence
from .control.lease import Lease
from .exceptions import duration_text, failed, invalid, not_done, time_text, value_text
from .keeper import ChargerKeeper, Command
from .modbus.enums import StartStop, WaitingReasons
from .modbus.errors import BadAnswer, ChargerError, ConnectionCut, NoAnswer, Refused
from .modbus.model import Register
from .modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    PHASE_MODE,
    START_STOP,
    Settings,
)
from .modbus.session import Session
from .modbus.snapshot import Snapshot

UNCERTAIN: Final = (BadAnswer, ConnectionCut, NoAnswer)
"""Failures of a write after which nobody knows whether it was executed."""


class Controller(StrEnum):
    """Who decides what the charger offers."""

    CHARGER = "charger"
    HOME_ASSISTANT = "home_assistant"
    FALLBACK = "fallback"


@dataclass(frozen=True)
class Refusal:
    """START or STOP that was refused, and in which session and connection."""

    command: StartStop
    session: int
    connection: Session | None


class ChargerController(ChargerKeeper):
    """Takes commands to one charger, which are kept once they are confirmed."""

    _refused: Refusal | None = None

    def wanted(self, snapshot: Snapshot) -> Settings:
        """Return what was asked for, and the charger's settings where nothing was."""
        return replace(snapshot.settings, **known(self.control.intent))

    def controller(self, snapshot: Snapshot) -> Controller:
        """Return who decides what the charger offers."""
        reasons = snapshot.reading.waiting_reasons
        if reasons is not None and WaitingReasons.MODBUS_FALLBACK in reasons:
            return Controller.FALLBACK
        if self.control.is_in_control:
            return Controller.HOME_ASSISTANT
        return Controller.CHARGER

    def refuses_start_stop(self, snapshot: Snapshot) -> bool:
        """Return whether the charger refused START or STOP.

        That ends when the charger shows what was asked for, when another START
        or STOP is obeyed, and with the session, the connection or control.
        """
        found = snapshot.settings.start_stop
        refused = self._refused
        if (
            refused is not None
            and refused.command is not found
            and refused.session == self.control.session.number
            and refused.connection is self._restored_on
        ):
            return True
        asked_for = self.control.intent.start_stop
        return asked_for is not None and (
            asked_for is self._not_restored and found is not asked_for
        )

    def next_phase_switch(self) -> datetime | None:
        """Return from when the phases may be switched, None when they may now.

        Also None when the budget of the session is exhausted.
        """
        now = dt_util.utcnow()
        allowed_from = self.control.budget.allowed_from(now)
        return None if allowed_from == now else allowed_from

    async def async_set(self, wanted: Settings, lease: Lease | None = None) -> None:
        """Write settings, confirm them by reading back, and store them.

        A lease limits the time for which a current limit applies. Raises
        ServiceValidationError, before anything is written, for what the user
        can correct, and HomeAssistantError for what the charger did not do.
        Settings that were confirmed before an error still apply.
        """
        wanted = self.checked(wanted, lease)
        try:
            async with self._lock:
                await self._ready_for(wanted)
                self._check(wanted)
                for register, value in self.control.commands(
                    wanted, self._charger.settings
                ):
                    await self._command(register, value, lease)
                    # Others may follow, over a network that is slow.
                    await self._keep_alive()
        finally:
            self._async_keep()
        self._on_update(None)

    async def _ready_for(self, wanted: Settings) -> None:
        try:
            connection = await self._ready()
            if wanted.phase_mode is not None:
                # Whether it is a switch, and how many are left.
                await connection.read_settings()
                if self._observe(await self._charger.poll()):
                    await self._async_save()
        except ChargerError as error:
            raise failed(self._entry, error) from error

    def checked(self, wanted: Settings, lease: Lease | None = None) -> Settings:
        """Return settings rounded to the steps in which they are written.

        Raises ServiceValidationError for a value out of range. The phase budget
        is not checked, as the charger has to be read for that.
        """
        wanted = in_steps(wanted)
        values = [
            (name, register, getattr(wanted, name))
            for name, register in Settings.registers.items()
        ]
        if lease is not None:
            values.append(("safe_limit", CURRENT_LIMIT, lease.safe_limit))
        for name, register, value in values:
            if value is not None and not register.is_valid(value):
                low, high = register.valid or (0, 0)
                raise invalid(f"{name}_out_of_range", low=f"{low:g}", high=f"{high:g}")
        self._check(replace(wanted, phase_mode=None))
        return wanted

    def _check(self, wanted: Settings) -> None:
        """Raise ServiceValidationError for what control rejects."""
        try:
            self.control.check(wanted, dt_util.utcnow())
        except Rejected as rejected:
            if rejected.allowed_from is None:
                raise invalid(rejected.key) from rejected
            raise invalid(
                rejected.key, allowed_from=time_text(rejected.allowed_from)
            ) from rejected

    async def _command(
        self, register: Register[Any], value: Any, lease: Lease | None = None
    ) -> None:
        try:
            # The command before this one may have needed a new connection.
            connection = await self._ready()
        except ChargerError as error:
            raise failed(self._entry, error) from error
        if register is PHASE_MODE:
            # Restoring may have switched them.
            self._check(Settings(**{register.name: value}))
        wire = self.control.on_the_wire(register, value)
        command = Command(register, value, wire, lease)
        try:
            await self._execute(command, connection)
        except asyncio.CancelledError:
            # It may have been executed: that is found out next.
            self._uncertain = command
            self._restored_on = None
            raise

    async def _execute(self, command: Command, connection: Session) -> None:
        register, wire = command.register, command.wire
        before = getattr(self._charger.settings, register.name)
        try:
            for first, first_value in self.control.before(
                register, wire, self._charger.settings
            ):
                safe = self.control.on_the_wire(first, first_value)
                await self._write(first, safe, connection)
            if self.control.is_switch(register, wire):
                await self._count_switch(connection)
            await self._write(register, wire, connection)
            found = await self._read_back(register, wire, connection)
        except Refused as error:
            if register is START_STOP:
                self._refused = Refusal(
                    command.value, self.control.session.number, self._restored_on
                )
                self._on_update(None)
                raise not_done(self._entry, "start_stop_refused") from error
            raise failed(self._entry, error) from error
        except UNCERTAIN as error:
            try:
                found = await self._found_after(error, register, wire)
            except ChargerError as second:
                self._uncertain = command
                raise not_done(self._entry, "perhaps_executed") from second
            if not agrees(found, wire):
                raise not_done(self._entry, "not_executed") from error
        except ChargerError as error:
            raise failed(self._entry, error) from error
        self._uncertain = None
        if not agrees(found, wire):
            await self._tell_what_became(command, before, found)
        if register is START_STOP:
            self._refused = None
        await self._keep_in_mind(command, command.value)

    async def _tell_what_became(
        self, command: Command, before: Any, found: Any
    ) -> NoReturn:
        """Raise for a command of which the charger made something else."""
        register, wire = command.register, command.wire
        if register is START_STOP:
            self._refused = Refusal(
                command.value, self.control.session.number, self._restored_on
            )
            self._on_update(None)
            raise not_done(self._entry, "start_stop_refused")
        if register is CURRENT_LIMIT:
            # If it is more than what was asked for before, it must not stay.
            self._limit_written_at = -math.inf
        values = {
            "found": value_text(register, found),
            "wanted": value_text(register, wire),
        }
        is_less = register is not PHASE_MODE and (
            found is not None and found < wire and found != before
        )
        if is_less:
            # The charger takes no more than this, which now is what there is.
            await self._keep_in_mind(command, found)
        self._on_update(None)
        raise (
            not_done(self._entry, "clamped", **values)
            if is_less
            else not_done(self._entry, "not_taken", **values)
        )

    async def _found_after(
        self, error: ChargerError, register: Register[Any], value: Any
    ) -> Any:
        """Return what a setting reads as after a write of which nothing was heard."""
        # A late answer must not be taken for that of another request.
        self._charger.disconnect()
        connection = await self._charger.connect()
        found = await self._read_back(register, value, connection)
        LOGGER.debug("%s: found %s after %r", self._entry.title, found, error)
        return found

    async def async_release(self, fallback_limit: float | None = None) -> None:
        """Write the fallback limit in A and clear all requested settings.

        Without a fallback limit, the present one is written again. Raises
        ServiceValidationError for a value out of range, and HomeAssistantError
        if the charger does not confirm it, in which case control is not returned.
        """
        wanted = self.checked(Settings(fallback_limit=fallback_limit))
        try:
            async with self._lock:
                await self._release(wanted)
        finally:
            self._async_keep()
        self._on_update(None)

    async def _release(self, wanted: Settings) -> None:
        await self._ready_for(wanted)
        limit = wanted.fallback_limit
        if limit is None:
            limit = self._charger.settings.fallback_limit
            if limit is not None and limit < LEAST_CURRENT:
                # Whatever it shows, the charger takes this for 0.
                limit = 0.0
        if limit is not None:
            await self._command(FALLBACK_LIMIT, limit)
        self._uncertain = None
        self._refused = None
        self.control.release()
        await self._async_save()

    async def async_release_connection(self, seconds: float, *, force: bool) -> None:
        """Give the charger's only connection up for a time, then take it back.

        While in control that is only for as long as the fallback does not fire
        and no limit runs out; ServiceValidationError otherwise, unless it is
        forced.
        """
        async with self._lock:
            if not force and self._charger.shares_connection:
                raise invalid("shared_connection")
            if self.control.is_in_control:
                try:
                    await self._prepare_silence(seconds, force=force)
                except ChargerError as error:
                    # One that cannot be reached is no reason not to force it.
                    if not force or isinstance(error, Refused):
                        self._async_keep()
                        self._on_update(None)
                        raise failed(self._entry, error) from error
            self._charger.release_connection(seconds)

    async def _prepare_silence(self, seconds: float, *, force: bool) -> None:
        """Write what has to hold while nothing can be written for a time."""
        connection = await self._ready()
        most = longest_silence(self._charger.settings.fallback_timeout)
        if (lease := self.control.lease) is not None:
            now = dt_util.utcnow()
            left = lease.remaining(now).total_seconds()
            most = min(most, left)
            if force and seconds > left:
                # It would run out while nobody can write the safe limit.
                lease.until = now
                if await self._expire():
                    self._limit_written_at = -math.inf
        if seconds > most and not force:
            raise invalid("in_control", most=duration_text(most))
        # The whole timeout counts from here.
        await self._write(CURRENT_LIMIT, self.control.limit, connection)
