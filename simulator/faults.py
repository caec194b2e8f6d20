"""Faults of a charger and its network, which can be added while it runs."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """How a request is answered."""

    DROP = "drop"
    """The connection is closed without an answer."""
    MUTE = "mute"
    """There is no answer."""
    SLOW = "slow"
    """The answer is delayed."""
    EXCEPTION = "exception"
    """The answer is a Modbus exception."""
    GARBAGE = "garbage"
    """The answer is not Modbus."""
    TRUNCATED = "truncated"
    """The answer to a read lacks the last register."""


@dataclass(kw_only=True)
class Fault:
    """A fault that affects all requests, or those that match."""

    kind: FaultKind
    function: int | None = None
    """Match only this function code."""
    address: int | None = None
    """Match only requests that start at this register."""
    times: int | None = None
    """Number of requests that are still affected; None for all."""
    seconds: float = 5.0
    """Delay of a slow answer in s."""
    code: int = 4
    """Modbus exception code."""
    executed: bool = False
    """Whether a write takes effect despite the fault."""

    def affects(self, function: int, address: int) -> bool:
        """Return whether the fault affects a request, and count the request."""
        if self.function not in (None, function):
            return False
        if self.address not in (None, address):
            return False
        if self.times is not None:
            if self.times == 0:
                return False
            self.times -= 1
        return True
