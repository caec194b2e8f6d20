"""The sessions that are kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

from .session import DamagedSession, Session

MAX_SESSIONS: Final = 5_000
"""Sessions to keep; the oldest are dropped."""


class Ledger:
    """The sessions of all chargers, each known by its charger and its start."""

    def __init__(self) -> None:
        """Initialize without sessions."""
        self.damaged = 0
        """Stored sessions that could not be understood."""
        self._sessions: dict[tuple[str, datetime], Session] = {}

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self._sessions)

    def put(self, session: Session) -> None:
        """Add a session, or replace the one of the same charger and start."""
        self._sessions[session.charger_id, session.start] = session
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: key[1])]

    def remove(self, session: Session) -> None:
        """Remove a session."""
        del self._sessions[session.charger_id, session.start]

    def get(self, charger_id: str, start: datetime) -> Session | None:
        """Return the session of a charger that began at a time."""
        return self._sessions.get((charger_id, start))

    def sessions(
        self,
        charger_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[Session]:
        """Return the sessions that began from `start` to before `end`, by start.

        Consecutive periods have each session once.
        """
        return sorted(
            (
                session
                for session in self._sessions.values()
                if charger_id in (None, session.charger_id)
                and (start is None or session.start >= start)
                and (end is None or session.start < end)
            ),
            key=lambda session: session.start,
        )

    def last_ended(self, charger_id: str) -> Session | None:
        """Return the session of a charger that ended last."""
        ended = [each for each in self.sessions(charger_id) if each.end is not None]
        return ended[-1] if ended else None

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {"sessions": [session.as_dict() for session in self.sessions()]}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the stored ledger, without the sessions that are damaged."""
        ledger = cls()
        sessions = stored.get("sessions", [])
        if not isinstance(sessions, list):
            ledger.damaged = 1
            return ledger
        for record in sessions:
            if not isinstance(record, Mapping):
                ledger.damaged += 1
                continue
            try:
                ledger.put(Session.from_dict(record))
            except DamagedSession:
                ledger.damaged += 1
        return ledger
