"""The flows that add, discover and reconfigure chargers, the site and OCPP."""

from dataclasses import replace
from ipaddress import ip_address
import re
import time
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
    ConfigSubentryFlow,
    FlowType,
)
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import callback
from homeassistant.helpers.selector import TextSelector
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import voluptuous as vol

from .address import ModbusAddress, modbus_address
from .const import CONF_UNIT_ID, DEFAULT_PORT, DEFAULT_UNIT_ID, DOMAIN, SUBENTRY_TAG
from .coordinator import (
    NexBlueConfigEntry,
    async_loaded_modbus,
    charger_name,
    is_modbus,
)
from .domain_data import TurnedDown, async_get_domain_data
from .links import async_is_announced, async_read_identity
from .modbus.errors import (
    BadAnswer,
    CannotConnect,
    ChargerError,
    ConnectionCut,
    ConnectionReleased,
    InUse,
    NoAnswer,
    NotACharger,
    Refused,
)
from .modbus.registers import Identity
from .ocpp_config import async_ocpp_entry, is_ocpp
from .ocpp_flow import TagFlow
from .ocpp_only import has_ocpp_only
from .ocpp_steps import OcppSteps
from .options_flow import NexBlueOptionsFlow, whole_number
from .repairs import Issue, async_has_issue, escape_markdown
from .site_config import is_charger, is_site
from .site_steps import SiteSteps

FLOW_ERRORS: dict[type[ChargerError], str] = {
    CannotConnect: "cannot_connect",
    InUse: "in_use",
    ConnectionCut: "in_use",
    ConnectionReleased: "connection_released",
    NoAnswer: "wrong_unit",
    Refused: "not_a_charger",
    BadAnswer: "not_a_charger",
    NotACharger: "not_a_charger",
}
"""The translation key of each error that can occur while a charger is identified."""

INVALID_HOST = "invalid_host"

ADD_SITE = {"next_step_id": "site"}
"""What the menu of the first step answers when the user adds the site."""

_URL = re.compile(r"https?://([^/?#@]+)/?", re.IGNORECASE)
_HOST = re.compile(r"[\w.:%-]{1,253}", re.ASCII)
_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)", re.ASCII)


UNIT_ID_FIELD = {
    vol.Required(CONF_UNIT_ID, default=DEFAULT_UNIT_ID): whole_number(1, 247)
}
ADDRESS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Required(CONF_PORT, default=DEFAULT_PORT): whole_number(1, 65535),
        **UNIT_ID_FIELD,
    }
)


def clean_host(text: str) -> str | None:
    """Return the hostname or IP address that a user entered, or None if it is invalid.

    Surrounding spaces, the brackets of an IPv6 address, and the scheme and the
    final slash of a URL are removed. A port is invalid, because the form has a
    field for it.
    """
    host = text.strip()
    if url := _URL.fullmatch(host):
        host = url[1]
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    # Without this, the zone of an IPv6 address could be any text.
    if not _HOST.fullmatch(host):
        return None
    try:
        ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # A number at the end would be an incomplete or mistyped IPv4 address.
        if labels[-1].isdecimal() or not all(map(_LABEL.fullmatch, labels)):
            return None
    return host


def _clean_address(user_input: dict[str, Any]) -> dict[str, str]:
    """Clean the host of an address in place; return the errors of the form."""
    if (host := clean_host(user_input[CONF_HOST])) is None:
        return {CONF_HOST: INVALID_HOST}
    user_input[CONF_HOST] = host
    return {}


def _is_idle(entry: ConfigEntry[Any]) -> bool:
    """Return whether an entry is ignored or disabled, so that nothing polls it."""
    return entry.source == SOURCE_IGNORE or entry.disabled_by is not None


class NexBlueConfigFlow(SiteSteps, OcppSteps, domain=DOMAIN):
    """Add, discover or reconfigure a charger, and the steps of the site and of OCPP."""

    VERSION = 1

    _identity: Identity
    _address: ModbusAddress
    _errors: dict[str, str]

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: NexBlueConfigEntry) -> NexBlueOptionsFlow:
        """Return the options flow."""
        return NexBlueOptionsFlow()

    @classmethod
    @callback
    @override
    def async_supports_options_flow(cls, config_entry: ConfigEntry[Any]) -> bool:
        """Return whether an entry has options: those of a charger are about Modbus."""
        return is_charger(config_entry) and not has_ocpp_only(config_entry)

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry[Any]
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the subentries of an entry: the OCPP back end has tags."""
        return {SUBENTRY_TAG: TagFlow} if is_ocpp(config_entry) else {}

    async def _async_identify(self, address: ModbusAddress) -> dict[str, str]:
        """Set the unique ID to the serial number of the charger at an address.

        Returns the errors of the form, which is empty on success.
        """
        try:
            self._identity = await async_read_identity(self.hass, address)
        except ChargerError as error:
            key = FLOW_ERRORS[type(error)]
            return {CONF_UNIT_ID if key == "wrong_unit" else "base": key}
        await self.async_set_unique_id(
            self._known_serial_number(), raise_on_progress=False
        )
        return {}

    def _known_serial_number(self) -> str | None:
        """Return the serial number, in the letter case in which it is set up."""
        found = self._identity.serial_number or ""
        known = (entry.unique_id or "" for entry in self._async_current_entries())
        return next((s for s in known if s.casefold() == found.casefold()), found)

    def _abort_if_charger_configured(self, address: ModbusAddress) -> None:
        """Abort if the charger is set up, which gets the address.

        One that was set up without Modbus has it from then on.
        """
        entry = self.hass.config_entries.async_entry_for_domain_unique_id(
            DOMAIN, self.unique_id or ""
        )
        joins = entry is not None and has_ocpp_only(entry)
        self._abort_if_unique_id_configured(
            updates=address.as_entry_data(),
            error="modbus_joined" if joins else "already_configured",
        )

    async def _async_create(self, address: ModbusAddress) -> ConfigFlowResult:
        # The address was the unique ID while the charger could not be identified.
        self._async_abort_others(address.host)
        return self.async_create_entry(
            title=charger_name(self._identity),
            data=address.as_entry_data(),
            next_flow=await self._async_offer_site(),
        )

    async def _async_offer_site(self) -> tuple[FlowType, str] | None:
        """Return a flow that sets up the site, if this charger is the first.

        `async_on_create_entry` is not called for a charger that was ignored before.
        """
        entries = self._async_current_entries(include_ignore=False)
        if not all(is_ocpp(entry) or has_ocpp_only(entry) for entry in entries):
            return None
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}, data=ADD_SITE
        )
        return FlowType.CONFIG_FLOW, flow["flow_id"]

    def _async_abort_others(self, unique_id: str | None) -> None:
        """Abort the other flows with a unique ID."""
        for flow in self._async_in_progress(
            include_uninitialized=True, match_context={"unique_id": unique_id}
        ):
            self.hass.config_entries.flow.async_abort(flow["flow_id"])

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what to add; the flow that follows the first charger has an answer."""
        if user_input == ADD_SITE:
            self._follows_charger = True
            return await self.async_step_site()
        options = ["charger"]
        if self._site_entry() is None:
            options.append("site")
        if async_ocpp_entry(self.hass) is None:
            options.append("ocpp")
        if options == ["charger"]:
            return await self.async_step_charger()
        return self.async_show_menu(step_id="user", menu_options=options)

    async def async_step_charger(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add the charger at an address that the user enters."""
        errors: dict[str, str] = {}
        if user_input is not None and not (errors := _clean_address(user_input)):
            address = ModbusAddress.from_form(user_input)
            if not (errors := await self._async_identify(address)):
                self._abort_if_charger_configured(address)
                return await self._async_create(address)
        return self.async_show_form(
            step_id="charger",
            data_schema=self.add_suggested_values_to_schema(ADDRESS_SCHEMA, user_input),
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the address of a charger, or the settings of the site or of OCPP."""
        entry: NexBlueConfigEntry = self._get_reconfigure_entry()
        if is_site(entry):
            return await self.async_step_site()
        if is_ocpp(entry):
            return await self.async_step_ocpp()
        present = modbus_address(entry)
        errors: dict[str, str] = {}
        if user_input is not None and not (errors := _clean_address(user_input)):
            if entry.state is ConfigEntryState.LOADED and is_modbus(entry):
                # The new address may belong to the same charger, which accepts
                # one connection at a time.
                entry.runtime_data.modbus.disconnect()
            address = ModbusAddress.from_form(user_input)
            if not (errors := await self._async_identify(address)):
                self._abort_if_unique_id_mismatch(reason="wrong_charger")
                return self.async_update_reload_and_abort(
                    entry, data_updates=address.as_entry_data()
                )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                ADDRESS_SCHEMA,
                user_input or (None if present is None else present.as_dict()),
            ),
            errors=errors,
        )

    @override
    async def async_step_zeroconf(
        self, discovery_info: ZeroconfServiceInfo
    ) -> ConfigFlowResult:
        """Identify a discovered charger, unless its address is known."""
        port = discovery_info.port or DEFAULT_PORT
        announced = {str(address) for address in discovery_info.ip_addresses}
        turned_down = async_get_domain_data(self.hass).turned_down
        for seen in turned_down.values():
            if (
                seen.is_left_alone
                and seen.address.host in announced
                and seen.address.port == port
            ):
                return self.async_abort(reason="already_configured")
        unit_ids = {DEFAULT_UNIT_ID: None}
        for entry in self._async_current_entries(include_ignore=True):
            if (known := modbus_address(entry)) is None:
                continue
            # A charger that moved may have the unit ID of one that is set up.
            unit_ids[known.unit_id] = None
            # A charger accepts one connection, so the connection of one that is
            # set up or ignored is not disturbed, except where another charger
            # answers at its address, or may have got that of one that is not polled.
            if (
                await async_is_announced(known, announced, port)
                and not async_has_issue(self.hass, entry, Issue.WRONG_CHARGER)
                and not (_is_idle(entry) and self._misses_charger())
            ):
                await self.async_set_unique_id(entry.unique_id, raise_on_progress=False)
                self._abort_if_unique_id_configured()

        for unit_id in unit_ids:
            self._address = ModbusAddress(discovery_info.host, port, unit_id)
            self._errors = await self._async_identify(self._address)
            if not self._errors:
                if await self._async_answers_elsewhere():
                    return self.async_abort(reason="already_configured")
                self._abort_if_charger_configured(self._address)
                # The charger may have been discovered at another address before.
                self._async_abort_others(self.unique_id)
                self._set_title(charger_name(self._identity))
                return await self.async_step_zeroconf_confirm()
            if CONF_UNIT_ID not in self._errors:
                break

        if CONF_UNIT_ID not in self._errors and self._errors["base"] != "in_use":
            return self.async_abort(reason=self._errors["base"])
        # Without a serial number, the flow is ignored by its address.
        await self.async_set_unique_id(discovery_info.host)
        self._set_title(discovery_info.hostname.removesuffix(".local."))
        return await self.async_step_unidentified()

    def _misses_charger(self) -> bool:
        """Return whether a charger that is set up does not answer."""
        return any(
            entry.state is ConfigEntryState.SETUP_RETRY
            if entry.state is not ConfigEntryState.LOADED
            else is_modbus(entry)
            and not entry.runtime_data.coordinator.last_update_success
            for entry in self._async_current_entries(include_ignore=False)
            if is_charger(entry) and modbus_address(entry) is not None
        )

    async def _async_answers_elsewhere(self) -> bool:
        """Return whether a charger that is set up answers at its own address.

        Then whoever announced its serial number is turned down: it may be somebody
        else, and control must not move to it.
        """
        chargers = async_loaded_modbus(self.hass)
        entry = next((e for e in chargers if e.unique_id == self.unique_id), None)
        if entry is None:
            return False
        coordinator = entry.runtime_data.coordinator
        await coordinator.async_refresh()
        if coordinator.last_update_success:
            assert self.unique_id is not None
            async_get_domain_data(self.hass).turned_down[self.unique_id] = TurnedDown(
                self._address, time.monotonic()
            )
        return coordinator.last_update_success

    def _set_title(self, name: str) -> None:
        self.context["title_placeholders"] = {
            "name": name,
            CONF_HOST: self._address.host,
            CONF_PORT: str(self._address.port),
            CONF_UNIT_ID: str(self._address.unit_id),
        }

    async def async_step_zeroconf_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Confirm that a discovered charger is added."""
        if user_input is not None:
            return await self._async_create(self._address)
        return self.async_show_form(
            step_id="zeroconf_confirm",
            description_placeholders={
                "model": escape_markdown(charger_name(self._identity)),
                "serial_number": escape_markdown(self._identity.serial_number or ""),
                "host": self._address.host,
            },
        )

    async def async_step_unidentified(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Identify a discovered charger again, after the user solved the problem."""
        if user_input is not None:
            self._address = replace(self._address, **user_input)
            self._errors = await self._async_identify(self._address)
            if not self._errors:
                self._abort_if_charger_configured(self._address)
                return await self._async_create(self._address)
        return self.async_show_form(
            step_id="unidentified",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(UNIT_ID_FIELD if CONF_UNIT_ID in self._errors else {}),
                self._address.as_dict(),
            ),
            errors=self._errors,
            description_placeholders={"host": self._address.host},
        )

    @override
    async def async_step_ignore(self, user_input: dict[str, Any]) -> ConfigFlowResult:
        """Ignore a discovered charger; its address is stored to recognize it."""
        unique_id = user_input["unique_id"]
        await self.async_set_unique_id(unique_id, raise_on_progress=False)
        data: dict[str, Any] = {}
        for flow in self._async_in_progress(match_context={"unique_id": unique_id}):
            address = flow["context"]["title_placeholders"]
            if CONF_PORT not in address:
                # A charge point has none.
                continue
            data = {
                CONF_HOST: address[CONF_HOST],
                CONF_PORT: int(address[CONF_PORT]),
            }
        return self.async_create_entry(title=user_input["title"], data=data)
