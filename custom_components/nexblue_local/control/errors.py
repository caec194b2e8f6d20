"""Errors of commands, with the key of a text and the values that it needs."""

from dataclasses import dataclass
from datetime import datetime

from .settings import Setting, Value


@dataclass(eq=False)
class Rejected(Exception):
    """A command that the user can correct; nothing was written."""

    key: str
    allowed_from: datetime | None = None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None


@dataclass(eq=False)
class CommandFailed(Exception):
    """A command that the charger did not execute as requested."""

    key: str
    detail: str = ""
    setting: Setting | None = None
    wanted: Value | None = None
    found: Value | None = None
