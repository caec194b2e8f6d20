"""The OCPP back end in Home Assistant: storage, sessions, discovery and notifications."""

from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from time import monotonic
from typing import Any

from homeassistant.components.tag import async_scan_tag
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    SOURCE_INTEGRATION_DISCOVERY,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.const import CONF_NAME, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady, HomeAssistantError
from homeassistant.helpers import device_registry as dr, discovery_flow
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .central_system.authentication import Credentials
from .central_system.charge_point import ChargePoint
from .central_system.environment import Environment
from .central_system.errors import CommandError
from .central_system.events import (
    Discovered,
    Event as OcppEvent,
    StateChanged,
    TagPresented,
    TransactionEnded,
    TransactionStarted,
    WrongPasswords,
)
from .central_system.server import CentralSystem
from .central_system.state import ChargePointState
from .central_system.tags import Tag, Tags
from .central_system.tolerance import Status
from .charge_points import BACK_END, async_entry_of, async_notify
from .const import (
    CONF_BLOCKED,
    CONF_CHARGE_POINT_ID,
    CONF_EXPIRY_DATE,
    CONF_TAG_ID,
    DOMAIN,
    LOGGER,
    SUBENTRY_TAG,
)
from .coordinator import is_modbus
from .domain_data import async_get_domain_data
from .ledger.session import Session
from .ocpp_config import OcppConfig, charge_point_id
from .ocpp_only import has_ocpp_only
from .ocpp_web import CENTRAL_SYSTEM, async_listen, async_register_view
from .repairs import async_create_password_issue, async_delete_password_issue
from .storage import ocpp_store
from .surplus.settings import Mode

type OcppConfigEntry = ConfigEntry[OcppServer]


def tags_of(entry: ConfigEntry[Any], config: OcppConfig) -> Tags:
    """Return the tags that are subentries of an entry."""
    return Tags(
        (
            Tag(
                id=subentry.data[CONF_TAG_ID],
                name=subentry.data[CONF_NAME],
                expiry=_end_of(subentry.data.get(CONF_EXPIRY_DATE)),
                is_blocked=subentry.data[CONF_BLOCKED],
            )
            for subentry in entry.get_subentries_of_type(SUBENTRY_TAG)
        ),
        allow_unknown=config.allow_unknown_tags,
    )


def _end_of(date: str | None) -> datetime | None:
    """Return the end of a day in Home Assistant's time zone."""
    day = None if date is None else dt_util.parse_date(date)
    if day is None:
        return None
    return datetime.combine(
        day + timedelta(days=1), time(), dt_util.get_default_time_zone()
    )


def _is_off(entry: ConfigEntry[Any]) -> bool:
    """Return whether the charge mode is off; without Modbus there is none."""
    return is_modbus(entry) and entry.runtime_data.controller.charging.mode is Mode.OFF


class OcppServer:
    """The central system of this Home Assistant."""

    def __init__(self, hass: HomeAssistant, entry: OcppConfigEntry) -> None:
        """Initialize; see `async_start`."""
        self._hass = hass
        self._entry = entry
        self._config = OcppConfig.from_entry(entry)
        self._store = ocpp_store(hass)
        self._data = async_get_domain_data(hass)
        self._stop_listening: Callable[[], Awaitable[None]] | None = None
        self._started: set[str] = set()
        """Charge points whose present vehicle needs no automatic start any more."""

    async def async_start(self) -> None:
        """Load what was stored, and serve charge points; raises ConfigEntryNotReady."""
        stored = await self._store.async_load() or {}
        self._started = set(stored.get("started", ()))
        self.central = CentralSystem(
            Environment(
                now=dt_util.utcnow,
                save=self._async_save,
                record=self._data.sessions.async_end_transaction,
                notify=self._async_received,
            ),
            credentials=Credentials(
                password=self._config.password,
                allow_without_password=self._config.allow_without_password,
            ),
            tags=tags_of(self._entry, self._config),
            stored=stored,
        )
        await self._async_update_links()
        await async_setup_component(self._hass, "http", {})
        if self._config.port:
            try:
                self._stop_listening = await async_listen(
                    self.central, self._config.port
                )
            except OSError as error:
                raise ConfigEntryNotReady(
                    translation_domain=DOMAIN,
                    translation_key="ocpp_port_taken",
                    translation_placeholders={"port": str(self._config.port)},
                ) from error
        async_register_view(self._hass)
        self._hass.data[CENTRAL_SYSTEM] = self.central
        self._hass.data[BACK_END] = self
        self._entry.async_on_unload(
            self._hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, self._async_end)
        )
        self._entry.async_on_unload(
            async_dispatcher_connect(
                self._hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._async_entry_changed
            )
        )

    async def _async_save(self, data: dict[str, Any]) -> None:
        await self._store.async_save({**data, "started": sorted(self._started)})

    async def _async_update_links(self) -> None:
        """Have the charge points that chargers are linked to, and no others."""
        linked = {
            charge_point: entry.unique_id
            for entry in self._hass.config_entries.async_entries(DOMAIN)
            if (charge_point := charge_point_id(entry)) and entry.unique_id
        }
        self._started &= set(linked)
        for charge_point in set(self.central.charge_points) - set(linked):
            await self.central.forget(charge_point)
        for charge_point, charger_id in linked.items():
            await self.central.adopt(charge_point, charger_id)

    async def _async_end(self, _: Event) -> None:
        await self.async_stop()

    async def async_stop(self) -> None:
        """Close all connections."""
        self._hass.data.pop(CENTRAL_SYSTEM, None)
        await self.central.close()
        if self._stop_listening is not None:
            await self._stop_listening()
        self._hass.data.pop(BACK_END, None)
        for charge_point in self.central.charge_points:
            async_notify(self._hass, charge_point)

    @callback
    def _async_entry_changed(
        self, _: ConfigEntryChange, entry: ConfigEntry[Any]
    ) -> None:
        """Use the tags as the entry has them now."""
        if entry is self._entry:
            self.central.tags = tags_of(entry, self._config)

    # What the central system reports.

    @callback
    def _async_received(self, event: OcppEvent) -> None:
        match event:
            case StateChanged():
                self._async_state_changed(event.charge_point_id)
            case TransactionStarted(is_late=False):
                self._async_transaction_started(event)
            case TransactionEnded():
                self._async_transaction_ended(event)
            case Discovered():
                self._async_discover(event)
            case TagPresented():
                self._async_tag_presented(event)
            case WrongPasswords():
                async_create_password_issue(
                    self._hass, event.charge_point_id, event.address
                )
                return
        charge_point = self.central.charge_points.get(event.charge_point_id)
        if charge_point is not None and charge_point.state.is_connected:
            async_delete_password_issue(self._hass, event.charge_point_id)

    @callback
    def _async_state_changed(self, charge_point_id: str) -> None:
        charge_point = self.central.charge_points.get(charge_point_id)
        # One that was forgotten says goodbye.
        state = ChargePointState() if charge_point is None else charge_point.state
        if state.is_connected:
            self._data.links_lost.pop(charge_point_id, None)
        else:
            self._data.links_lost.setdefault(charge_point_id, monotonic())
        if state.status is Status.AVAILABLE:
            if charge_point_id in self._started:
                self._started.remove(charge_point_id)
                # The next vehicle may be there after a crash.
                self._entry.async_create_task(self._hass, self.central.save())
        elif state.transaction is not None:
            self._started.add(charge_point_id)
        else:
            self.async_start_automatically(charge_point_id)
        async_notify(self._hass, charge_point_id)

    @callback
    def async_start_automatically(self, charge_point_id: str) -> None:
        """Start once for each vehicle that waits, if the user wants that."""
        entry = async_entry_of(self._hass, charge_point_id)
        charge_point = self.central.charge_points.get(charge_point_id)
        if (
            not self._config.start_automatically
            or charge_point_id in self._started
            or charge_point is None
            or not charge_point.state.is_connected
            or charge_point.state.status is not Status.PREPARING
            or entry is None
            or entry.state is not ConfigEntryState.LOADED
            or _is_off(entry)
        ):
            return
        self._started.add(charge_point_id)

        async def start() -> None:
            try:
                await charge_point.start()
            except CommandError as error:
                LOGGER.warning("%s was not started: %s", entry.title, error)

        # Not in the conversation, which has to read the answer.
        self._entry.async_create_background_task(self._hass, start(), "OCPP start")

    @callback
    def _async_transaction_started(self, event: TransactionStarted) -> None:
        transaction = event.transaction
        charge_point = self.central.charge_points[event.charge_point_id]
        self._entry.async_create_task(
            self._hass,
            self._data.sessions.async_begin_transaction(
                Session(
                    charger_id=charge_point.charger_id,
                    start=transaction.start,
                    end=None,
                    energy_wh=transaction.energy,
                    tag=transaction.tag or None,
                    transaction_id=transaction.number,
                    is_accepted=transaction.is_accepted,
                )
            ),
        )

    @callback
    def _async_transaction_ended(self, event: TransactionEnded) -> None:
        """Report a session, also a late one, unless a poll over Modbus shows its end."""
        entry = async_entry_of(self._hass, event.charge_point_id)
        if entry is not None and has_ocpp_only(entry):
            self._data.session_events_of(entry).async_fire(event.session)

    @callback
    def _async_discover(self, event: Discovered) -> None:
        boot = event.boot
        discovery_flow.async_create_flow(
            self._hass,
            DOMAIN,
            {"source": SOURCE_INTEGRATION_DISCOVERY},
            {
                CONF_CHARGE_POINT_ID: event.charge_point_id,
                "serial_number": boot and boot.serial_number,
                "vendor": boot and boot.vendor,
                "model": boot and boot.model,
            },
        )

    @callback
    def _async_tag_presented(self, event: TagPresented) -> None:
        entry = async_entry_of(self._hass, event.charge_point_id)
        if entry is None:
            return
        async_get_domain_data(self._hass).tag_events_of(entry).async_fire(event)
        if event.name is not None and "tag" in self._hass.config.components:
            registry = dr.async_get(self._hass)
            devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
            device_id = devices[0].id if devices else None
            self._entry.async_create_task(
                self._hass, async_scan_tag(self._hass, event.tag_id, device_id)
            )

    # Commands

    async def async_command(
        self,
        entry: ConfigEntry[Any],
        command: Callable[[ChargePoint], Awaitable[object]],
    ) -> None:
        """Send a command to the charge point of a charger; raises HomeAssistantError."""
        charge_point = self.central.charge_points[charge_point_id(entry) or ""]
        try:
            await command(charge_point)
        except CommandError as error:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders={
                    "action": error.action,
                    "detail": error.detail,
                },
            ) from error
