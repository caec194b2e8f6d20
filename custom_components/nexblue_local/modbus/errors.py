"""Errors of the communication with a charger.

Each class is one cause; `key` is its key in the translations.
"""

from typing import ClassVar, Final

ILLEGAL_DATA_ADDRESS: Final = 2
ILLEGAL_DATA_VALUE: Final = 3

ACKNOWLEDGE: Final = 5
"""Exception code of a request that was accepted and takes longer."""

BUSY: Final = 6

GATEWAY_FAILURES: Final = (10, 11)
"""Exception codes of gateways for a unit that is missing or does not respond."""


class ChargerError(Exception):
    """Base class of all errors of the communication with a charger."""

    key: ClassVar[str]


class CannotConnect(ChargerError):
    """The TCP connection failed: no route, nothing listens, refused, or timed out."""

    key = "cannot_connect"


class ConnectionReleased(ChargerError):
    """The connection is released for some time so that another program can use it."""

    key = "connection_released"

    def __init__(self, seconds: float) -> None:
        """Initialize the error with the `seconds` that are left."""
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


class ConnectionCut(ChargerError):
    """The connection was closed by the other end, or replaced by a new one."""

    key = "connection_cut"


class InUse(ChargerError):
    """Each connection was closed immediately for several seconds.

    A charger does so while another client is connected.
    """

    key = "in_use"


class NoAnswer(ChargerError):
    """A request timed out, or a gateway reported that the unit does not respond."""

    key = "no_answer"


class BadAnswer(ChargerError):
    """The received data is not Modbus, or not a response to the request."""

    key = "bad_answer"


class Refused(ChargerError):
    """The charger responded with a Modbus exception code."""

    key = "refused"

    def __init__(self, code: int) -> None:
        """Initialize the error with the Modbus exception code."""
        super().__init__(f"exception code {code}")
        self.code = code

    @property
    def is_busy(self) -> bool:
        """Return whether the charger is busy, so that a retry may succeed."""
        return self.code == BUSY


class NotACharger(ChargerError):
    """The device does not have the structure of a NexBlue charger."""

    key = "not_a_charger"


class WrongCharger(ChargerError):
    """A charger with another serial number responds at the address."""

    key = "wrong_charger"

    def __init__(self, expected: str, found: str) -> None:
        """Initialize the error with both serial numbers."""
        super().__init__("another serial number than expected")
        self.expected = expected
        self.found = found


class NotWritable(ChargerError):
    """The byte layout is not certain enough to write registers."""

    key = "not_writable"
