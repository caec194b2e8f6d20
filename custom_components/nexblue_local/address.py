"""Modbus addresses, and how config entries store them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT

from .const import CONF_MODBUS, CONF_UNIT_ID, DEFAULT_UNIT_ID


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """Where a charger answers over Modbus TCP."""

    host: str
    port: int
    unit_id: int = DEFAULT_UNIT_ID

    @classmethod
    def from_form(cls, user_input: Mapping[str, Any]) -> Self:
        """Return the address that a user entered."""
        return cls(
            host=user_input[CONF_HOST],
            port=user_input[CONF_PORT],
            unit_id=user_input[CONF_UNIT_ID],
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the address as a form shows it."""
        return asdict(self)

    def as_entry_data(self) -> dict[str, Any]:
        """Return the address as a config entry stores it, beside other links."""
        return {CONF_MODBUS: asdict(self)}

    @property
    def placeholders(self) -> dict[str, str]:
        """Return the placeholders of translated texts."""
        return {key: str(value) for key, value in asdict(self).items()}


def modbus_address(entry: ConfigEntry[Any]) -> ModbusAddress | None:
    """Return the Modbus address of an entry, None if it has none.

    The entry of an ignored discovery stores host and port beside everything else.
    Once the charger was found at another address, that is nested and comes first.
    """
    nested = entry.data.get(CONF_MODBUS)
    data = nested if isinstance(nested, Mapping) else entry.data
    match (
        data.get(CONF_HOST),
        data.get(CONF_PORT),
        data.get(CONF_UNIT_ID, DEFAULT_UNIT_ID),
    ):
        case str(host), int(port), int(unit_id):
            return ModbusAddress(host, port, unit_id)
    return None
