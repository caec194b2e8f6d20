"""The forms of the OCPP back end, of a charge point and of a tag."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
import socket
from typing import Any, Final

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PASSWORD, CONF_PORT
from homeassistant.core import callback
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.selector import (
    BooleanSelector,
    DateSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
)
import voluptuous as vol

from .const import (
    CONF_ALLOW_UNKNOWN_TAGS,
    CONF_ALLOW_WITHOUT_PASSWORD,
    CONF_BLOCKED,
    CONF_EXPIRY_DATE,
    CONF_START_AUTOMATICALLY,
    CONF_TAG_ID,
    SUBENTRY_TAG,
)
from .ocpp_config import OcppConfig, is_valid_password, new_password
from .options_flow import whole_number

OCPP_TITLE: Final = "OCPP"
CONF_CHARGER: Final = "charger"
NEW_CHARGER: Final = "new"
"""The answer that a charge point is none of the chargers."""


class OcppError(StrEnum):
    """Errors of the forms; the value is the translation key."""

    INVALID_PASSWORD = "invalid_password"  # noqa: S105
    PORT_TAKEN = "port_taken"


class TagError(StrEnum):
    """Errors of the form of a tag."""

    INVALID_TAG_ID = "invalid_tag_id"
    RESERVED_TAG_ID = "reserved_tag_id"
    TAG_EXISTS = "tag_exists"


OCPP_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_PASSWORD): TextSelector(),
        vol.Required(CONF_ALLOW_WITHOUT_PASSWORD): BooleanSelector(),
        vol.Required(CONF_ALLOW_UNKNOWN_TAGS): BooleanSelector(),
        vol.Required(CONF_START_AUTOMATICALLY): BooleanSelector(),
        vol.Required(CONF_PORT): whole_number(0, 65535),
    }
)

TAG_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_TAG_ID): TextSelector(),
        vol.Optional(CONF_EXPIRY_DATE): DateSelector(),
        vol.Required(CONF_BLOCKED, default=False): BooleanSelector(),
    }
)


def default_answers() -> dict[str, Any]:
    """Return the answers that the form suggests for a new back end."""
    return {
        CONF_PASSWORD: new_password(),
        CONF_ALLOW_WITHOUT_PASSWORD: False,
        CONF_ALLOW_UNKNOWN_TAGS: False,
        CONF_START_AUTOMATICALLY: False,
        CONF_PORT: 0,
    }


@callback
def find_errors(
    answers: Mapping[str, Any], entry: ConfigEntry[Any] | None
) -> dict[str, str]:
    """Return the errors of the form, with the entry that is reconfigured."""
    errors = {}
    if not is_valid_password(answers[CONF_PASSWORD]):
        errors[CONF_PASSWORD] = OcppError.INVALID_PASSWORD.value
    port = answers[CONF_PORT]
    is_ours = (
        entry is not None
        and entry.state is ConfigEntryState.LOADED
        and OcppConfig.from_entry(entry).port == port
    )
    if port and not is_ours and not _can_listen(port):
        errors[CONF_PORT] = OcppError.PORT_TAKEN.value
    return errors


def _can_listen(port: int) -> bool:
    with socket.socket() as listener:
        # As asyncio does, so that connections that just ended do not matter.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError:
            return False
    return True


def charger_schema(chargers: Sequence[ConfigEntry[Any]]) -> vol.Schema:
    """Return the form that asks which of the chargers a charge point is, if any."""
    options = [
        *(
            SelectOptionDict(
                value=entry.entry_id, label=f"{entry.title} ({entry.unique_id})"
            )
            for entry in chargers
        ),
        # The frontend shows its translation.
        SelectOptionDict(value=NEW_CHARGER, label=NEW_CHARGER),
    ]
    return vol.Schema(
        {
            vol.Required(CONF_CHARGER): SelectSelector(
                SelectSelectorConfig(options=options, translation_key=CONF_CHARGER)
            )
        }
    )


def telling_serial_number(reported: str | None) -> str | None:
    """Return a reported serial number, None if it does not tell chargers apart.

    Some chargers report "0", "unknown" or the like instead of one.
    """
    is_telling = (
        reported is not None
        and len(set(reported)) > 3
        and any(map(str.isdecimal, reported))
    )
    return reported if is_telling else None


class TagFlow(ConfigSubentryFlow):
    """Add or change a tag."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a tag."""
        errors: dict[str, str] = {}
        if user_input is not None and not (
            errors := await self._async_errors(user_input, None)
        ):
            return self.async_create_entry(
                title=user_input[CONF_NAME],
                data=user_input,
                unique_id=user_input[CONF_TAG_ID].casefold(),
            )
        return self._show("user", user_input, errors)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change a tag."""
        subentry = self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        if user_input is not None and not (
            errors := await self._async_errors(user_input, subentry.subentry_id)
        ):
            return self.async_update_and_abort(
                self._get_entry(),
                subentry,
                title=user_input[CONF_NAME],
                data=user_input,
                unique_id=user_input[CONF_TAG_ID].casefold(),
            )
        return self._show("reconfigure", user_input or subentry.data, errors)

    def _show(
        self,
        step_id: str,
        answers: Mapping[str, Any] | None,
        errors: dict[str, str],
    ) -> SubentryFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(TAG_SCHEMA, answers),
            errors=errors,
        )

    async def _async_errors(
        self, answers: dict[str, Any], subentry_id: str | None
    ) -> dict[str, str]:
        """Clean the answers in place; return the errors of the form."""
        module = await async_import_module(
            self.hass, f"{__package__}.central_system.tags"
        )
        tag_id = answers[CONF_TAG_ID] = answers[CONF_TAG_ID].strip()
        if not 0 < len(tag_id) <= module.MAX_ID or not tag_id.isprintable():
            return {CONF_TAG_ID: TagError.INVALID_TAG_ID}
        if module.is_own(tag_id):
            return {CONF_TAG_ID: TagError.RESERVED_TAG_ID}
        if any(
            tag.unique_id == tag_id.casefold() and tag.subentry_id != subentry_id
            for tag in self._get_entry().get_subentries_of_type(SUBENTRY_TAG)
        ):
            return {CONF_TAG_ID: TagError.TAG_EXISTS}
        return {}
