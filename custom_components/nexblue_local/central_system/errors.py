"""Errors of what is asked of a charge point."""

from enum import StrEnum


class ErrorKey(StrEnum):
    """Why a command failed; the value is the key of its translation."""

    NOT_CONNECTED = "ocpp_not_connected"
    """Nothing was sent."""
    NOT_ADOPTED = "ocpp_not_adopted"
    """Nothing was sent: the charge point has not been accepted yet."""
    NO_TRANSACTION = "ocpp_no_transaction"
    """Nothing was sent: there is no transaction to stop."""
    BUSY = "ocpp_busy"
    """Nothing was sent: too many commands are waiting."""
    INVALID_REQUEST = "ocpp_invalid_request"
    """Nothing was sent: OCPP 1.6 does not allow it (`detail`)."""
    NOT_SUPPORTED = "ocpp_not_supported"
    """Nothing was sent: the charge point lacks a feature profile (`detail`)."""
    CONNECTION_LOST = "ocpp_connection_lost"
    """It may have been carried out."""
    NO_ANSWER = "ocpp_no_answer"
    """It may have been carried out."""
    REFUSED = "ocpp_refused"
    """The status in the answer (`detail`) is not one of success."""
    FAILED = "ocpp_failed"
    """The charge point answered with an error (`detail`)."""
    INVALID_ANSWER = "ocpp_invalid_answer"
    """The answer lacks what OCPP 1.6 requires."""


class CommandError(Exception):
    """A command that a charge point did not carry out, or perhaps did not."""

    def __init__(self, key: ErrorKey, action: str, detail: str = "") -> None:
        """Initialize with the action and what the charge point said."""
        super().__init__(f"{action}: {key.removeprefix('ocpp_')} {detail}".rstrip())
        self.key = key
        self.action = action
        self.detail = detail
