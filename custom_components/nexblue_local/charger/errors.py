"""What can go wrong between Home Assistant and a charger.

Each class is one cause that can be told apart from outside, and `key` is the
name under which its sentence stands in the translations.
"""

from typing import ClassVar


class ChargerError(Exception):
    """Any failure to talk to a charger."""

    key: ClassVar[str]


class CannotConnect(ChargerError):
    """Nothing took the connection: no host, no listener, or it was refused."""

    key = "cannot_connect"


class ConnectionReleased(ChargerError):
    """The connection was given up for a time, for another program to have it."""

    key = "connection_released"

    def __init__(self, seconds: float) -> None:
        """Take how many seconds are left of that time."""
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


class ConnectionCut(ChargerError):
    """The connection was accepted and then closed from the other end."""

    key = "connection_cut"


class InUse(ChargerError):
    """Every connection was cut at once for several seconds."""

    key = "in_use"


class NoAnswer(ChargerError):
    """A request was not answered in time, or nobody has that unit id."""

    key = "no_answer"


class BadAnswer(ChargerError):
    """An answer that is not Modbus, or not of the request."""

    key = "bad_answer"


class Refused(ChargerError):
    """The charger answered with a Modbus exception code."""

    key = "refused"

    def __init__(self, code: int) -> None:
        """Take the exception code."""
        super().__init__(f"exception code {code}")
        self.code = code

    @property
    def is_busy(self) -> bool:
        """Return whether the same request may be taken a little later."""
        return self.code == 6


class NotACharger(ChargerError):
    """What answers does not have the structure of a NexBlue charger."""

    key = "not_a_charger"


class WrongCharger(ChargerError):
    """Another charger than the expected one answers at the address."""

    key = "wrong_charger"

    def __init__(self, expected: str, found: str) -> None:
        """Take both serial numbers."""
        super().__init__("another serial number than expected")
        self.expected = expected
        self.found = found


class NotWritable(ChargerError):
    """The byte layout is not certain enough to write anything."""

    key = "not_writable"
