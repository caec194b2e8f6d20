"""Finds chargers and sets them up."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_SCAN_INTERVAL, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
)
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import voluptuous as vol

from .charger.charger import Charger
from .charger.errors import (
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
from .charger.registers import Identity
from .charger.transport import resolve
from .const import (
    CONF_UNIT_ID,
    DEFAULT_PORT,
    DEFAULT_SCAN_INTERVAL,
    DEFAULT_UNIT_ID,
    DOMAIN,
)
from .coordinator import charger_name
from .issues import Issue, async_is_reported
from .links import async_get_connection_pool

# What failed, in the words of someone who sets a charger up.
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


def _whole_number(low: int, high: int, unit: str | None = None) -> vol.All[int]:
    """Return a validator and selector of whole numbers in a box."""
    config = NumberSelectorConfig(min=low, max=high, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


UNIT_ID_FIELD = {
    vol.Required(CONF_UNIT_ID, default=DEFAULT_UNIT_ID): _whole_number(1, 247)
}
ADDRESS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Required(CONF_PORT, default=DEFAULT_PORT): _whole_number(1, 65535),
        **UNIT_ID_FIELD,
    }
)
OPTIONS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): _whole_number(
            1, 60, UnitOfTime.SECONDS
        )
    }
)


async def _async_identify(hass: HomeAssistant, data: Mapping[str, Any]) -> Identity:
    """Return who is at an address; raises ChargerError."""
    links = async_get_connection_pool(hass)
    link = await links.acquire(data[CONF_HOST], data[CONF_PORT])
    try:
        return await Charger(link, data[CONF_UNIT_ID]).identify()
    finally:
        links.release(link)


class NexBlueConfigFlow(ConfigFlow, domain=DOMAIN):
    """Sets a charger up."""

    VERSION = 1

    _identity: Identity
    _address: dict[str, Any]
    _discovery_error: str

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> NexBlueOptionsFlow:
        """Return the flow that changes the options."""
        return NexBlueOptionsFlow()

    async def _async_identified(
        self, data: dict[str, Any], errors: dict[str, str]
    ) -> bool:
        """Find out who is at an address; enter what failed in the errors."""
        data[CONF_HOST] = data[CONF_HOST].strip()
        try:
            self._identity = await _async_identify(self.hass, data)
        except ChargerError as error:
            errors["base"] = FLOW_ERRORS[type(error)]
            return False
        await self.async_set_unique_id(
            self._identity.serial_number, raise_on_progress=False
        )
        return True

    def _async_create(self, data: Mapping[str, Any]) -> ConfigFlowResult:
        # Its address stood for a charger that could not be identified.
        self._async_abort_others(data[CONF_HOST])
        return self.async_create_entry(title=charger_name(self._identity), data=data)

    def _async_abort_others(self, unique_id: str | None) -> None:
        """End the other flows of a charger."""
        for flow in self._async_in_progress(
            include_uninitialized=True, match_context={"unique_id": unique_id}
        ):
            self.hass.config_entries.flow.async_abort(flow["flow_id"])

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up a charger at an address that the user gives."""
        errors: dict[str, str] = {}
        if user_input is not None and await self._async_identified(user_input, errors):
            self._abort_if_unique_id_configured(updates=user_input)
            return self._async_create(user_input)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(ADDRESS_SCHEMA, user_input),
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the address of a charger."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None and entry.state is ConfigEntryState.LOADED:
            # It may be the same charger at another of its addresses, and that
            # takes no second connection.
            entry.runtime_data.charger.disconnect()
        if user_input is not None and await self._async_identified(user_input, errors):
            self._abort_if_unique_id_mismatch(reason="wrong_charger")
            return self.async_update_reload_and_abort(entry, data_updates=user_input)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                ADDRESS_SCHEMA, user_input or entry.data
            ),
            errors=errors,
        )

    @override
    async def async_step_zeroconf(
        self, discovery_info: ZeroconfServiceInfo
    ) -> ConfigFlowResult:
        """Look at a charger that announced itself."""
        port = discovery_info.port or DEFAULT_PORT
        addresses = {str(address) for address in discovery_info.ip_addresses}
        entries = self._async_current_entries(include_ignore=True)
        for entry in entries:
            # A charger takes one client, so one that is known, or is not to be
            # known, is left in peace; not so one that is at another's address.
            if (
                entry.data.get(CONF_PORT) == port
                and await resolve(entry.data[CONF_HOST]) in addresses
                and not async_is_reported(self.hass, entry, Issue.WRONG_CHARGER)
            ):
                await self.async_set_unique_id(entry.unique_id, raise_on_progress=False)
                self._abort_if_unique_id_configured()

        errors: dict[str, str] = {}
        # A charger that moved may have the unit id of one that is set up.
        known = (entry.data.get(CONF_UNIT_ID) for entry in entries)
        for unit_id in dict.fromkeys(filter(None, (DEFAULT_UNIT_ID, *known))):
            self._address = {
                CONF_HOST: discovery_info.host,
                CONF_PORT: port,
                CONF_UNIT_ID: unit_id,
            }
            if await self._async_identified(self._address, errors):
                self._abort_if_unique_id_configured(updates=self._address)
                # An older announcement may have come from another address.
                self._async_abort_others(self.unique_id)
                self._set_title(charger_name(self._identity))
                return await self.async_step_zeroconf_confirm()
            self._discovery_error = errors["base"]
            if self._discovery_error != "wrong_unit":
                break

        if self._discovery_error not in ("in_use", "wrong_unit"):
            return self.async_abort(reason=self._discovery_error)
        # The serial number is not known yet; the address serves to ignore it.
        await self.async_set_unique_id(discovery_info.host)
        self._set_title(discovery_info.hostname.removesuffix(".local."))
        return await self.async_step_unidentified()

    def _set_title(self, name: str) -> None:
        self.context["title_placeholders"] = {
            "name": name,
            CONF_HOST: self._address[CONF_HOST],
            CONF_PORT: str(self._address[CONF_PORT]),
        }

    async def async_step_zeroconf_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether a discovered charger is to be set up."""
        if user_input is not None:
            return self._async_create(self._address)
        self._set_confirm_only()
        return self.async_show_form(
            step_id="zeroconf_confirm",
            description_placeholders={
                "model": charger_name(self._identity),
                "serial_number": self._identity.serial_number or "",
                "host": self._address[CONF_HOST],
            },
        )

    async def async_step_unidentified(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Try once more to identify a charger that could not be identified."""
        errors = {"base": self._discovery_error}
        if user_input is not None:
            self._address |= user_input
            if await self._async_identified(self._address, errors):
                self._abort_if_unique_id_configured(updates=self._address)
                return self._async_create(self._address)
            self._discovery_error = errors["base"]
        asks_for_unit = self._discovery_error == "wrong_unit"
        return self.async_show_form(
            step_id="unidentified",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(UNIT_ID_FIELD if asks_for_unit else {}), self._address
            ),
            errors=errors,
            description_placeholders={"host": self._address[CONF_HOST]},
        )

    @override
    async def async_step_ignore(self, user_input: dict[str, Any]) -> ConfigFlowResult:
        """Ignore a discovered charger, and remember its address for that."""
        unique_id = user_input["unique_id"]
        await self.async_set_unique_id(unique_id, raise_on_progress=False)
        data: dict[str, Any] = {}
        for flow in self._async_in_progress(match_context={"unique_id": unique_id}):
            address = flow["context"]["title_placeholders"]
            data = {
                CONF_HOST: address[CONF_HOST],
                CONF_PORT: int(address[CONF_PORT]),
            }
        return self.async_create_entry(title=user_input["title"], data=data)


class NexBlueOptionsFlow(OptionsFlowWithReload):
    """Changes the options of a charger."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the options."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                OPTIONS_SCHEMA, self.config_entry.options
            ),
        )
