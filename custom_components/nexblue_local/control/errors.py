"""Errors of commands."""

from datetime import datetime

from .settings import Setting, Value


class Rejected(Exception):
    """A command that the user can correct; nothing was written."""

    def __init__(
        self,
        key: str,
        *,
        allowed_from: datetime | None = None,
        low: float | None = None,
        high: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Initialize with the key of its text and the values that it needs."""
        super().__init__(key)
        self.key = key
        self.allowed_from = allowed_from
        self.low = low
        self.high = high
        self.seconds = seconds


class CommandFailed(Exception):
    """A command that the charger did not execute as requested."""

    def __init__(
        self,
        key: str,
        detail: str = "",
        *,
        setting: Setting | None = None,
        wanted: Value | None = None,
        found: Value | None = None,
    ) -> None:
        """Initialize with the key of its text and the values that it needs."""
        super().__init__(detail or key)
        self.key = key
        self.detail = detail
        self.setting = setting
        self.wanted = wanted
        self.found = found
