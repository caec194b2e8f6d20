"""Faults of a charger and its network, to be switched on while it runs."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What happens to a request."""

    DROP = "drop"
    """The connection is closed instead of an answer."""
    MUTE = "mute"
    """No answer."""
    SLOW = "slow"
    """The answer comes after some seconds."""
    EXCEPTION = "exception"
    """The answer is an exception code."""
    GARBAGE = "garbage"
    """The answer is not Modbus."""
    TRUNCATED = "truncated"
    """The answer to a read holds one register less than was asked for."""


@dataclass(kw_only=True)
class Fault:
    """A fault that meets some or all requests."""

    kind: FaultKind
    function: int | None = None
    """Only requests with this function code."""
    address: int | None = None
    """Only requests that start at this register."""
    times: int | None = None
    """How many requests it still meets; None for all."""
    seconds: float = 5.0
    """How long an answer is held back."""
    code: int = 4
    """The exception code."""
    executed: bool = False
    """Whether a write takes effect all the same."""

    def meets(self, function: int, address: int) -> bool:
        """Return whether a request falls under the fault, and count it."""
        if self.function not in (None, function):
            return False
        if self.address not in (None, address):
            return False
        if self.times is not None:
            if self.times == 0:
                return False
            self.times -= 1
        return True
