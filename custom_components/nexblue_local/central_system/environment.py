"""What a central system needs besides sockets."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..ledger.session import Session
from .events import Event


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Wall clock, storage, ledger and who is notified."""

    now: Callable[[], datetime]
    """Wall clock, with a time zone."""
    save: Callable[[dict[str, Any]], Awaitable[None]]
    """Store the state; raises OSError. StartTransaction is answered after that."""
    record: Callable[[Session], Awaitable[None]]
    """Store a session that ended; StopTransaction is answered after that.

    A session of the same charger and start replaces the one before.
    """
    notify: Callable[[Event], None]
    """Receive what happens."""
