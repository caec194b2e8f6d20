"""The steps of the config flow that set up OCPP and the charge points."""

from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_PASSWORD, CONF_PORT

from .address import ModbusAddress
from .charge_points import BACK_END, async_entry_of, async_link
from .const import (
    CONF_CHARGE_POINT_ID,
    CONF_OCPP,
    CONF_UNIT_ID,
    OCPP_UNIQUE_ID,
    SITE_UNIQUE_ID,
)
from .ocpp_config import async_back_end_url, async_ocpp_entry, charge_point_id
from .ocpp_flow import (
    CONF_CHARGER,
    NEW_CHARGER,
    OCPP_SCHEMA,
    OCPP_TITLE,
    charger_schema,
    default_answers,
    find_errors,
    telling_serial_number,
)
from .repairs import async_delete_password_issue, escape_markdown
from .site_config import async_charger_entries


class OcppSteps(ConfigFlow):
    """Add or reconfigure the OCPP back end, or add a charge point."""

    _answers: dict[str, Any]
    """The answers of the form."""
    _charge_point: str
    """ID of a charge point that was discovered."""
    _serial_number: str | None
    """Serial number that the charge point reports, if it tells chargers apart."""

    async def async_step_ocpp(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask how charge points may connect."""
        entry = async_ocpp_entry(self.hass)
        if entry is not None and self.source != SOURCE_RECONFIGURE:
            return self.async_abort(reason="ocpp_already_configured")
        errors: dict[str, str] = {}
        if user_input is not None and not (errors := find_errors(user_input, entry)):
            self._answers = user_input
            return await self.async_step_ocpp_connect()
        present = default_answers() if entry is None else entry.data[CONF_OCPP]
        return self.async_show_form(
            step_id="ocpp",
            data_schema=self.add_suggested_values_to_schema(
                OCPP_SCHEMA, user_input or present
            ),
            errors=errors,
            last_step=False,
        )

    async def async_step_ocpp_connect(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what to enter in the app of the charger."""
        if user_input is not None:
            return await self._async_save_ocpp()
        return self.async_show_form(
            step_id="ocpp_connect",
            description_placeholders={
                "url": async_back_end_url(self.hass, self._answers[CONF_PORT]),
                "password": self._answers[CONF_PASSWORD],
            },
            last_step=True,
        )

    async def _async_save_ocpp(self) -> ConfigFlowResult:
        data = {CONF_OCPP: self._answers}
        if self.source == SOURCE_RECONFIGURE:
            async_delete_password_issue(self.hass)
            return self.async_update_reload_and_abort(
                self._get_reconfigure_entry(), data_updates=data, reason="ocpp_updated"
            )
        await self.async_set_unique_id(OCPP_UNIQUE_ID, raise_on_progress=False)
        self._abort_if_unique_id_configured(error="ocpp_already_configured")
        return self.async_create_entry(title=OCPP_TITLE, data=data, description="ocpp")

    @override
    async def async_step_integration_discovery(
        self, discovery_info: dict[str, Any]
    ) -> ConfigFlowResult:
        """Offer a charge point that connected as the OCPP link of a charger."""
        self._charge_point = discovery_info[CONF_CHARGE_POINT_ID]
        await self.async_set_unique_id(f"{OCPP_UNIQUE_ID}_{self._charge_point}")
        self._abort_if_unique_id_configured()
        if async_entry_of(self.hass, self._charge_point) is not None:
            return self.async_abort(reason="already_configured")
        self._serial_number = telling_serial_number(discovery_info["serial_number"])
        names = (discovery_info["vendor"], discovery_info["model"])
        self.context["title_placeholders"] = {
            "name": " ".join(filter(None, names)) or OCPP_TITLE,
            CONF_HOST: self._charge_point,
        }
        return await self._async_ask_for_charger()

    async def _async_ask_for_charger(self) -> ConfigFlowResult:
        """Show the form about the charger that a charge point is."""
        if self._same_charger() is not None:
            return await self.async_step_charge_point_confirm()
        if self._chargers():
            return await self.async_step_charge_point()
        return await self.async_step_charge_point_new()

    def _chargers(self) -> list[ConfigEntry[Any]]:
        """Return the chargers of which a charge point may be the OCPP link."""
        return [
            entry
            for entry in async_charger_entries(self.hass)
            if entry.source != SOURCE_IGNORE
        ]

    def _same_charger(self) -> ConfigEntry[Any] | None:
        """Return the charger with the serial number of the charge point.

        None if that charger has another charge point: it may be another charger that
        reports the same.
        """
        known = (self._serial_number or self._charge_point).casefold()
        for entry in self._chargers():
            if (entry.unique_id or "").casefold() == known:
                return entry if charge_point_id(entry) is None else None
        return None

    async def async_step_charge_point(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which charger a charge point is."""
        if user_input is not None:
            chosen = user_input[CONF_CHARGER]
            if chosen == NEW_CHARGER:
                return await self._async_add_charge_point()
            for entry in self._chargers():
                if entry.entry_id == chosen:
                    return await self._async_link(entry)
            return await self._async_ask_for_charger()
        return self.async_show_form(
            step_id="charge_point",
            data_schema=charger_schema(self._chargers()),
            description_placeholders=self._charge_point_placeholders(),
        )

    async def async_step_charge_point_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Confirm that a charge point is the charger with the same serial number."""
        if (same := self._same_charger()) is None:
            # It was removed meanwhile.
            return await self._async_ask_for_charger()
        if user_input is not None:
            return await self._async_link(same)
        return self.async_show_form(
            step_id="charge_point_confirm",
            description_placeholders=self._charge_point_placeholders()
            | {"charger": escape_markdown(same.title)},
        )

    async def async_step_charge_point_new(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Confirm that a charge point is added as a charger."""
        if user_input is not None:
            return await self._async_add_charge_point()
        return self.async_show_form(
            step_id="charge_point_new",
            description_placeholders=self._charge_point_placeholders(),
        )

    async def _async_add_charge_point(self) -> ConfigFlowResult:
        """Add a charge point as a charger, with Modbus if that waits to be added."""
        if self._same_charger() is not None:
            # It was added meanwhile.
            return await self.async_step_charge_point_confirm()
        if BACK_END not in self.hass.data:
            return self.async_abort(reason="ocpp_not_loaded")
        unique_id = self._new_unique_id()
        data: dict[str, Any] = {CONF_CHARGE_POINT_ID: self._charge_point}
        for flow in self._async_in_progress():
            discovered = flow["context"].get("unique_id") or ""
            # A flow that the user began has no placeholders.
            address = flow["context"].get("title_placeholders", {})
            if (
                discovered.casefold() == unique_id.casefold()
                and CONF_UNIT_ID in address
            ):
                # As Modbus writes it.
                unique_id = discovered
                data |= ModbusAddress(
                    address[CONF_HOST],
                    int(address[CONF_PORT]),
                    int(address[CONF_UNIT_ID]),
                ).as_entry_data()
        await self.async_set_unique_id(unique_id, raise_on_progress=False)
        name = self.context["title_placeholders"]["name"]
        return self.async_create_entry(
            title=self._charge_point if name == OCPP_TITLE else name, data=data
        )

    def _new_unique_id(self) -> str:
        """Return the serial number, or else what no other entry has: the ID."""
        taken = {
            (entry.unique_id or "").casefold()
            for entry in self._async_current_entries(include_ignore=False)
        } | {SITE_UNIQUE_ID, OCPP_UNIQUE_ID}
        for unique_id in (self._serial_number, self._charge_point):
            if unique_id is not None and unique_id.casefold() not in taken:
                return unique_id
        return f"{OCPP_UNIQUE_ID}_{self._charge_point}"

    def _charge_point_placeholders(self) -> dict[str, str]:
        name = self.context["title_placeholders"]["name"]
        return {
            "model": escape_markdown(name),
            "charge_point": escape_markdown(self._charge_point),
        }

    async def _async_link(self, entry: ConfigEntry[Any]) -> ConfigFlowResult:
        if BACK_END not in self.hass.data:
            return self.async_abort(reason="ocpp_not_loaded")
        await async_link(self.hass, entry, self._charge_point)
        if entry.state is ConfigEntryState.LOADED:
            # It gets the entities of its charge point.
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_abort(reason="charge_point_linked")
