"""Transactions of a charger whose sessions are told from its counters as well."""

from dataclasses import replace
from datetime import timedelta

from .session import Session


def overlap(session: Session, transaction: Session) -> timedelta:
    """Return for how long both ran, negative for the time between them."""
    ends = [each for each in (session.end, transaction.end) if each is not None]
    start = max(session.start, transaction.start)
    return min(ends) - start if ends else timedelta.max


def is_within(transaction: Session, session: Session) -> bool:
    """Return whether most of a transaction that ended was in a session."""
    assert transaction.end is not None
    length = transaction.end - transaction.start
    return overlap(session, transaction) * 2 > length


def annotated(session: Session, transaction: Session) -> Session:
    """Return a session with what only the transaction tells.

    Energy, sources and cost are those of the counters, and they add up to what the
    charger counted in its lifetime.
    """
    return replace(
        session,
        tag=transaction.tag,
        transaction_id=transaction.transaction_id,
        is_accepted=transaction.is_accepted,
        end_reason=transaction.end_reason or session.end_reason,
    )


def without(session: Session, transaction: Session) -> Session:
    """Return a session without the energy of a transaction, which has its own session."""
    left = max(0.0, session.energy_wh - transaction.energy_wh)
    factor = left / session.energy_wh if session.energy_wh else 0.0

    def part(value: float | None) -> float | None:
        return None if value is None else value * factor

    return replace(
        session,
        energy_wh=left,
        solar_wh=part(session.solar_wh),
        grid_wh=part(session.grid_wh),
        battery_wh=part(session.battery_wh),
        cost=part(session.cost),
    )
