"""Adapter that fits control to Home Assistant."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .charging import ChargeSettings, Charging
from .const import LOGGER
from .control.controller import Controller
from .control.environment import Environment
from .control.errors import CommandFailed, Rejected
from .control.lease import Lease
from .control.settings import Setting, Settings
from .control.state import ControlState, DamagedRecord
from .control.timing import Timing
from .control_events import ControlEvent, ControlEventType
from .exceptions import command_failed, invalid, rejected
from .modbus.client import Client
from .modbus.enums import WaitingReasons
from .modbus.snapshot import Snapshot
from .modbus_link import ModbusLink, observation
from .site_config import ChargerConfig, async_site_entry
from .storage import control_store
from .surplus.settings import SOLAR_MODES

TIMING = Timing()


class ControlledBy(StrEnum):
    """Who decides what the charger offers."""

    CHARGER = "charger"
    HOME_ASSISTANT = "home_assistant"
    FALLBACK = "fallback"


class ChargerController:
    """Control of the charger of a config entry."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        client: Client,
        *,
        on_update: Callable[[Snapshot | None], None],
        on_event: Callable[[ControlEvent], None],
    ) -> None:
        """Initialize without control; see `async_start`.

        `on_update` gets what was read, or None if only settings changed.
        """
        self._hass = hass
        self._entry = entry
        self._client = client
        self._link = ModbusLink(client)
        self._on_update = on_update
        self._on_event = on_event
        self._store = control_store(hass, entry.entry_id)

    async def async_start(self) -> None:
        """Load the desired state, and begin to keep it alive.

        A damaged record is discarded: the charger keeps what it has.
        """
        state, settings = ControlState(), ChargeSettings()
        if (record := await self._store.async_load()) is not None:
            try:
                stored = ControlState.from_dict(record)
                settings = ChargeSettings.from_record(record)
                state = stored
            except DamagedRecord as error:
                LOGGER.warning(
                    "%s: the stored settings are damaged and were discarded: %s",
                    self._entry.title,
                    error,
                )
        environment = Environment(
            notifier=self,
            now=dt_util.utcnow,
            save=self._async_save,
            start=self._start_task,
            timing=TIMING,
        )
        self.control = Controller(self._link, environment, state)
        self.charging = Charging(
            self.control,
            settings,
            ChargerConfig.from_entry(self._entry),
            now=dt_util.utcnow,
            start_task=self._start_task,
            on_change=lambda: self._on_update(None),
        )
        await self.control.start()
        if async_site_entry(self._hass) is None:
            # It was removed or disabled while the charger was not set up.
            await self.charging.async_end()

    def _start_task(self, task: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the charger."""
        return self._entry.async_create_background_task(
            self._hass, task, f"{self._entry.title} control"
        )

    async def _async_save(self, record: dict[str, Any]) -> None:
        """Store the state of control, and what the user wants beside it."""
        charging = self.charging.settings.as_dict()
        await self._store.async_save({**record, "charging": charging})

    @callback
    def async_stop(self) -> None:
        """Stop writing, except for the command that is executed now."""
        self._client.reclaim_connection()
        self.charging.stop()
        self.control.stop()

    async def async_finish(self) -> None:
        """Stop, and wait for the command that is executed now."""
        self.async_stop()
        await self.control.finish()

    async def async_observe(self, snapshot: Snapshot) -> Snapshot:
        """Update from a poll; return it with the settings as they are after that."""
        self.charging.limit_energy(snapshot.reading)
        await self.control.observe(observation(snapshot))
        await self.charging.async_observe(snapshot.reading)
        return replace(snapshot, settings=self._client.settings)

    def controlled_by(self, snapshot: Snapshot) -> ControlledBy:
        """Return who decides what the charger offers."""
        reasons = snapshot.reading.waiting_reasons
        if reasons is not None and WaitingReasons.MODBUS_FALLBACK in reasons:
            return ControlledBy.FALLBACK
        if self.control.state.is_in_control:
            return ControlledBy.HOME_ASSISTANT
        return ControlledBy.CHARGER

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except Rejected as error:
            raise rejected(error) from error
        except CommandFailed as error:
            raise command_failed(self._entry, error) from error

    def check(self, wanted: Settings, lease: Lease | None = None) -> None:
        """Raise ServiceValidationError for a value that the charger cannot take."""
        with self._translated_errors():
            self.control.check(wanted, lease)

    async def async_set(self, wanted: Settings, lease: Lease | None = None) -> None:
        """Write settings, confirm them by reading back, and store them.

        A lease limits the time for which a current limit applies. Raises
        ServiceValidationError, before anything is written, for what the user
        can correct, and HomeAssistantError for what the charger did not do.
        Settings that were confirmed before an error still apply.
        """
        with self._translated_errors():
            await self.control.set(wanted, lease)
        if wanted.current_limit is not None and self.charging.mode in SOLAR_MODES:
            # Otherwise it would look as if nothing had happened.
            event_type = ControlEventType.CEILING_CHANGED
            self._on_event(ControlEvent(event_type, {"limit": wanted.current_limit}))

    async def async_release(self, fallback_limit: float | None = None) -> None:
        """Write the fallback limit in A and clear all requested settings.

        Without a fallback limit, the present one is written again. Raises
        ServiceValidationError for a value out of range, and HomeAssistantError
        if the charger does not confirm it, in which case control is not returned.
        """
        with self._translated_errors():
            await self.charging.async_release(fallback_limit)

    async def async_release_connection(self, seconds: float, *, force: bool) -> None:
        """Release the charger's only connection for some seconds.

        While in control, that is allowed for as long as the fallback does not
        engage and no limit expires; ServiceValidationError is raised otherwise,
        unless it is forced.
        """
        if not force and self._client.shares_connection:
            raise invalid("shared_connection")
        with self._translated_errors():
            await self.control.prepare_silence(
                seconds,
                force=force,
                release=lambda: self._client.release_connection(seconds),
            )

    # What control reports.

    @property
    def name(self) -> str:
        """Return the name of the charger, for the log."""
        return self._entry.title

    def updated(self, *, is_fresh: bool) -> None:
        """Publish what control read or changed."""
        snapshot = self._link.snapshot if is_fresh else None
        if snapshot is not None:
            # Settings may have been written since.
            snapshot = replace(snapshot, settings=self._client.settings)
        self._on_update(snapshot)

    def restored(self, settings: Sequence[Setting]) -> None:
        """Fire the event for settings that the charger had lost."""
        names = [str(setting) for setting in settings]
        LOGGER.info("%s: restored %s", self.name, ", ".join(names))
        self._on_event(ControlEvent(ControlEventType.RESTORED, {"settings": names}))

    def limit_expired(self, limit: float) -> None:
        """Fire the event for a current limit that was not renewed."""
        self._on_event(ControlEvent(ControlEventType.LIMIT_EXPIRED, {"limit": limit}))

    def fallback_engaged(self) -> None:
        """Fire the event for a fallback."""
        self._on_event(ControlEvent(ControlEventType.FALLBACK_ENGAGED))

    def warn(self, text: str) -> None:
        """Log a warning."""
        LOGGER.warning("%s: %s", self.name, text)
