"""Carries out what is asked of a charger, and keeps it so."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
import time
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .charger.charger import Charger, Snapshot
from .charger.enums import WaitingReasons
from .charger.errors import (
    BadAnswer,
    ChargerError,
    ConnectionCut,
    InUse,
    NoAnswer,
    Refused,
    WrongCharger,
)
from .charger.model import Register
from .charger.registers import Settings
from .charger.transport import Links
from .const import CONF_UNIT_ID, DOMAIN, LOGGER
from .control.control import Control, Rejected, Write, agrees

STORAGE_VERSION: Final = 1

CONFIRM_FOR: Final = 5.0
"""Seconds for which a read-back may still show the value before a write."""

CONFIRM_EVERY: Final = 0.5
"""Seconds between two reads of the settings after a write."""

RETRY_AFTER: Final = 5.0
"""Seconds to the next try of a write that keeps control."""

LEAVE_ALONE: Final = 10.0
"""The same while somebody else's connection would be disturbed."""

UNCERTAIN: Final = (BadAnswer, ConnectionCut, NoAnswer)
"""Failures of a write after which nobody knows whether it was executed."""


class Controller(StrEnum):
    """Who decides what the charger offers."""

    FREE = "free"
    HOME_ASSISTANT = "home_assistant"
    FALLBACK = "fallback"
    REFUSED = "refused"


def address_of(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return what the sentences about a charger mention of its address."""
    keys = (CONF_HOST, CONF_PORT, CONF_UNIT_ID)
    return {key: str(entry.data[key]) for key in keys}


def intent_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where the intent of an entry is stored."""
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}", atomic_writes=True)


class ChargerController:
    """Writes to one charger, one thing after the other."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        charger: Charger,
        *,
        tell: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the charger, and whom to tell when something changed."""
        self.control = Control()
        self._hass = hass
        self._entry = entry
        self._charger = charger
        self._tell = tell
        self._time = clock
        self._store = intent_store(hass, entry.entry_id)
        self._lock = asyncio.Lock()
        self._restored_on: int | None = None
        self._refuses_start_stop = False
        self._uncertain: tuple[Register[Any], Any] | None = None
        self._limit_written_at = clock()
        self._phase_settled_at = clock()
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def async_load(self) -> None:
        """Take over what was asked for before a restart."""
        if (stored := await self._store.async_load()) is not None:
            self.control = Control.from_dict(stored)
        self._restored_on = None
        self._async_keep()

    async def _async_save(self) -> None:
        await self._store.async_save(self.control.as_dict())

    def controller(self, snapshot: Snapshot) -> Controller:
        """Return who decides what the charger offers."""
        reasons = snapshot.reading.waiting_reasons
        if reasons is not None and WaitingReasons.MODBUS_FALLBACK in reasons:
            return Controller.FALLBACK
        if self._refuses_start_stop:
            return Controller.REFUSED
        if self.control.is_in_control:
            return Controller.HOME_ASSISTANT
        return Controller.FREE

    def next_phase_switch(self) -> datetime | None:
        """Return from when the phases may be switched, None when they may now.

        Also None when the budget of the session is exhausted.
        """
        now = dt_util.utcnow()
        allowed_from = self.control.budget.allowed_from(now)
        return None if allowed_from == now else allowed_from

    # What keeps control.

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
        self._async_keep()

    async def _keep(self) -> None:
        retry_at = 0.0
        while True:
            self._wake.clear()
            period = self.control.keep_alive_period(self._charger.settings)
            due_at = max(self._limit_written_at + period, retry_at)
            try:
                async with asyncio.timeout(max(0.0, due_at - self._time())):
                    await self._wake.wait()
                continue
            except TimeoutError:
                pass
            try:
                async with self._lock:
                    # This writes the limit as well if it has to restore it.
                    connection = await self._ready(patient=False)
                    await self._write_limit_if_due(connection)
            except ChargerError as error:
                LOGGER.debug("%s: keep-alive failed: %s", self._entry.title, error)
                is_anothers = isinstance(error, InUse | WrongCharger)
                wait = LEAVE_ALONE if is_anothers else min(RETRY_AFTER, period)
                retry_at = self._time() + wait

    async def _write_limit_if_due(self, connection: int) -> None:
        period = self.control.keep_alive_period(self._charger.settings)
        is_due = self._time() - self._limit_written_at >= period
        if is_due and self.control.limit is not None:
            await self._write(Settings.current_limit, self.control.limit, connection)

    async def _write(
        self, register: Register[Any], value: Any, connection: int
    ) -> None:
        # The time before the write, which is when the charger counts from at
        # the earliest.
        now = self._time()
        await self._charger.write(register, value, connection)
        if register is Settings.current_limit:
            self._limit_written_at = now
        if register is Settings.phase_mode:
            self._phase_settled_at = now + CONFIRM_FOR

    async def _ready(self, *, patient: bool = True) -> int:
        """Return a connection on which the intent has been restored."""
        connection = await self._charger.connect(patient=patient)
        if connection != self._restored_on:
            await self._restore(connection)
            self._restored_on = connection
            # The charger may have another timeout than before.
            self._async_keep()
        return connection

    async def _restore(self, connection: int) -> None:
        if self._uncertain is not None:
            # What nobody could read after a write is found out now.
            register, value = self._uncertain
            if agrees(register.__get__(self._charger.settings, Settings), value):
                self.control.confirm(register, value)
                await self._async_save()
            self._uncertain = None
        if self.control.intent.values and self._observe(
            await self._charger.refresh(), at_once=True
        ):
            # Whether it is still the same session has to be known before.
            await self._async_save()
        writes = self.control.restoration(self._charger.settings, dt_util.utcnow())
        if writes:
            await self._carry_out(writes, connection)
            LOGGER.info("%s: restored what was asked for", self._entry.title)
        if self.control.awaits_phase_mode:
            LOGGER.warning(
                "%s is limited to 6 A until its phase mode may be restored",
                self._entry.title,
            )

    async def _carry_out(self, writes: list[Write], connection: int) -> None:
        """Make the writes of a restoration; one that is refused is passed over."""
        # The phase budget is saved before it is spent.
        await self._async_save()
        found = self._charger.settings.phase_mode
        for register, value in writes:
            # A phase mode that was refused on the way has lowered the limit.
            safe = self.control.on_the_wire(register, value)
            try:
                await self._write(register, safe, connection)
            except Refused as error:
                LOGGER.warning(
                    "%s refused to have %s restored: %s",
                    self._entry.title,
                    register.name,
                    error,
                )
                if register is Settings.start_stop:
                    self._refuses_start_stop = True
                if register is Settings.phase_mode:
                    self.control.phase_mode_refused(found)

    async def async_observe(self, snapshot: Snapshot) -> None:
        """Take note of what was read, and restore what a reconnect may have lost."""
        if self._lock.locked():
            return
        async with self._lock:
            if self._observe(snapshot):
                await self._async_save()
            try:
                connection = await self._ready(patient=False)
                writes = self.control.phase_restoration(dt_util.utcnow())
                if writes:
                    await self._carry_out(writes, connection)
            except ChargerError as error:
                LOGGER.debug("%s: not restored: %s", self._entry.title, error)

    def _observe(self, snapshot: Snapshot, *, at_once: bool = False) -> bool:
        """Take note of what was read; return whether what is stored changed."""
        settled = self._time() >= self._phase_settled_at
        return self.control.observe(
            snapshot.reading,
            snapshot.settings if settled else Settings({}),
            snapshot.session_energy_read,
            dt_util.utcnow(),
            at_once=at_once,
        )

    # What is asked for.

    async def async_set(self, register: Register[Any], value: Any) -> None:
        """Write a setting, see that the charger has taken it, and keep it.

        Raises ServiceValidationError for what the user can mend, and
        HomeAssistantError for what the charger did not do.
        """
        try:
            async with self._lock:
                try:
                    connection = await self._ready()
                    if register is Settings.phase_mode:
                        # Whether it is a switch, and how many are left.
                        self._observe(await self._charger.refresh())
                except ChargerError as error:
                    raise self._failed(error) from error
                await self._check(register, value)
                try:
                    await self._execute(register, value, connection)
                except asyncio.CancelledError:
                    # It may have been executed: that is found out next.
                    self._uncertain = (register, value)
                    self._restored_on = None
                    raise
        finally:
            self._async_keep()
        self._tell()

    async def _check(self, register: Register[Any], value: Any) -> None:
        try:
            register.encode(value, self._charger.layout)
            self.control.command(register, value, dt_util.utcnow())
        except Rejected as rejected:
            allowed_from = dt_util.as_local(rejected.allowed_from or dt_util.utcnow())
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key=rejected.key,
                translation_placeholders={"allowed_from": f"{allowed_from:%H:%M:%S}"},
            ) from rejected
        except ValueError as error:
            low, high = register.valid or (0, 0)
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="out_of_range",
                translation_placeholders={"low": f"{low:g}", "high": f"{high:g}"},
            ) from error
        if register is Settings.phase_mode:
            # The budget is saved before it is spent.
            await self._async_save()

    async def _execute(
        self, register: Register[Any], value: Any, connection: int
    ) -> None:
        wire = self.control.on_the_wire(register, value)
        try:
            for first, first_value in self.control.before(
                register, value, self._charger.settings
            ):
                await self._write(first, first_value, connection)
            await self._write(register, wire, connection)
            found = await self._read_back(register, wire, connection)
        except Refused as error:
            if register is Settings.start_stop:
                self._refuses_start_stop = True
                self._tell()
                raise self._error("start_stop_refused") from error
            raise self._failed(error) from error
        except UNCERTAIN as error:
            found = await self._found_after(error, register, value)
            if not agrees(found, wire):
                raise self._error("not_executed") from error
        except ChargerError as error:
            raise self._failed(error) from error
        self._uncertain = None
        if agrees(found, wire):
            if register is Settings.start_stop:
                self._refuses_start_stop = False
            self.control.confirm(register, value)
            await self._async_save()
            return
        await self._tell_what_became(register, wire, found)

    async def _tell_what_became(
        self, register: Register[Any], value: Any, found: Any
    ) -> None:
        """Raise for a command of which the charger made something else."""
        if register is Settings.start_stop:
            self._refuses_start_stop = True
            self._tell()
            raise self._error("start_stop_refused")
        if register is not Settings.phase_mode and found is not None and found < value:
            # The charger takes no more than this, which now is what there is.
            self.control.confirm(register, found)
            await self._async_save()
        self._tell()
        raise self._error(
            "clamped", found="?" if found is None else f"{found:g}", wanted=f"{value:g}"
        )

    async def _read_back(
        self, register: Register[Any], value: Any, connection: int
    ) -> Any:
        """Return what a setting reads as, once it is the value or has had its time."""
        give_up_at = self._time() + CONFIRM_FOR
        while True:
            found = register.__get__(
                await self._charger.read_settings(connection), Settings
            )
            if agrees(found, value) or self._time() + CONFIRM_EVERY > give_up_at:
                return found
            # The keep-alive does not wait for a charger that takes its time.
            await self._write_limit_if_due(connection)
            await asyncio.sleep(CONFIRM_EVERY)

    async def _found_after(
        self, error: ChargerError, register: Register[Any], value: Any
    ) -> Any:
        """Return what a setting reads as after a write of which nothing was heard."""
        try:
            # A late answer must not be taken for that of another request.
            self._charger.disconnect()
            connection = await self._charger.connect()
            found = await self._read_back(
                register, self.control.on_the_wire(register, value), connection
            )
        except ChargerError as second:
            self._uncertain = (register, value)
            raise self._error("perhaps_executed") from second
        LOGGER.debug("%s: found %s after %r", self._entry.title, found, error)
        return found

    async def async_release(self) -> None:
        """Write the fallback limit that is set once more, and ask for nothing else."""
        async with self._lock:
            try:
                connection = await self._ready()
                limit = self._charger.settings.fallback_limit
                if limit is not None:
                    await self._write(Settings.fallback_limit, limit, connection)
            except ChargerError as error:
                raise self._failed(error) from error
            self._uncertain = None
            self.control.release()
            await self._async_save()
        self._async_keep()
        self._tell()

    def _failed(self, error: ChargerError) -> HomeAssistantError:
        return self._error(error.key, detail=str(error))

    def _error(self, key: str, **placeholders: str) -> HomeAssistantError:
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders=address_of(self._entry) | placeholders,
        )


async def async_release_removed(
    hass: HomeAssistant, entry: ConfigEntry[Any], links: Links
) -> None:
    """Release control of a charger whose entry is removed, if it was taken.

    A charger that cannot be reached has its fallback limit anyway.
    """
    store = intent_store(hass, entry.entry_id)
    stored = await store.async_load()
    await store.async_remove()
    if stored is None or not Control.from_dict(stored).is_in_control:
        return
    link = await links.acquire(entry.data[CONF_HOST], entry.data[CONF_PORT])
    charger = Charger(link, entry.data[CONF_UNIT_ID], serial_number=entry.unique_id)
    try:
        connection = await charger.connect()
        limit = charger.settings.fallback_limit
        if limit is not None:
            await charger.write(Settings.fallback_limit, limit, connection)
    except ChargerError as error:
        LOGGER.warning("%s was removed without a word to it: %s", entry.title, error)
    finally:
        links.release(link)
