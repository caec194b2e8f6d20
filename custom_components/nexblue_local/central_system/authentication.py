"""Passwords: HTTP basic authentication, and a back-off for who guesses."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
import hmac
from typing import Final

MAX_ID: Final = 100
"""Characters of the longest ID of a charge point."""

ATTEMPTS: Final = 5
"""Wrong passwords of an address within `PERIOD` that lock it out."""

PERIOD: Final = 60.0
"""s"""

LOCKED_FOR: Final = 60.0
"""s"""

MAX_ADDRESSES: Final = 1000
"""Addresses that are remembered."""


class Authentication(StrEnum):
    """The answer to an attempt to connect."""

    ACCEPTED = "accepted"
    UNAUTHORIZED = "unauthorized"
    """HTTP 401 with `WWW-Authenticate`."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """HTTP 429"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a charge point needs to connect."""

    password: str
    allow_without_password: bool = False

    def fit(self, charge_point_id: str, authorization: str) -> bool:
        """Return whether an Authorization header has the ID and the password."""
        scheme, _, encoded = authorization.strip().partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error, ValueError:
            return False
        expected = f"{charge_point_id}:{self.password}".encode(errors="replace")
        return hmac.compare_digest(given, expected)


def is_valid_id(charge_point_id: str) -> bool:
    """Return whether a text can be the ID of a charge point.

    The user name of basic authentication ends at a colon.
    """
    return (
        0 < len(charge_point_id) <= MAX_ID
        and charge_point_id.isprintable()
        and not set(charge_point_id) & set(":/")
        and charge_point_id.strip() == charge_point_id
    )


@dataclass
class Backoff:
    """Addresses that sent wrong passwords."""

    clock: Callable[[], float]
    """s"""
    _failures: dict[str, list[float]] = field(default_factory=dict)
    _locked_until: dict[str, float] = field(default_factory=dict)

    def is_locked(self, address: str) -> bool:
        """Return whether an address is locked out."""
        until = self._locked_until.get(address)
        if until is None:
            return False
        if self.clock() < until:
            return True
        del self._locked_until[address]
        return False

    def failed(self, address: str) -> bool:
        """Count a wrong password; return whether the address is now locked out."""
        now = self.clock()
        # Removed and added again, so that the one that is dropped is the oldest.
        recent = [
            time for time in self._failures.pop(address, ()) if now - time < PERIOD
        ]
        recent.append(now)
        if len(recent) >= ATTEMPTS:
            self._locked_until[address] = now + LOCKED_FOR
            _limit(self._locked_until)
            return True
        self._failures[address] = recent
        _limit(self._failures)
        return False


def _limit(addresses: dict[str, float] | dict[str, list[float]]) -> None:
    if len(addresses) > MAX_ADDRESSES:
        del addresses[next(iter(addresses))]
