"""Transactions: their numbers, the open ones, and sessions of those that ended."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Self

from ocpp.v16.enums import AuthorizationStatus

from ..ledger.session import EndReason, Session
from .meter_values import MeterValues
from .state import OpenTransaction
from .tolerance import integer

MAX_OPEN: Final = 16
"""Open transactions of a charge point; older ones are taken for ended."""

KEPT_ENDED: Final = 10
"""Ended transactions of a charge point that are remembered."""

MAX_ENERGY: Final = 1e7
"""Wh that no session exceeds."""

MAX_POWER: Final = 1e6
"""W that no charger exceeds."""


class TransactionNumbers:
    """The persisted counter that gives each transaction its number."""

    def __init__(self, stored: object, now: datetime) -> None:
        """Initialize with the number that was given last.

        The first number is the minute since 1970, so that no number is given twice
        after the storage was lost; it fits into 31 bits.
        """
        known = integer(stored)
        self.last = known if known and known > 0 else int(now.timestamp() // 60)

    def next(self) -> int:
        """Return a number that was not given before; to be saved before it is used."""
        self.last += 1
        return self.last


@dataclass(kw_only=True, eq=False)
class Transaction:
    """A transaction of a charge point, open or ended."""

    number: int
    """0 if the charge point never got a number."""
    connector_id: int = 1
    tag: str
    """ID of the tag."""
    name: str
    """Name of the tag, or its ID."""
    status: AuthorizationStatus = AuthorizationStatus.accepted
    """What the charge point was told about the tag."""
    reported_start: str = ""
    """Time of the start as the charge point wrote it."""
    start: datetime
    is_start_known: bool = True
    """Whether the start is from a clock that is set."""
    reported_meter_start: float | None = None
    """Wh"""
    meter: float | None = None
    """Latest reading of the meter in Wh."""
    lower_meter: float | None = None
    """Reading in Wh below the one before; it counts once another one follows it."""
    energy: float = 0.0
    """Wh up to the latest reading."""
    peak_power: float | None = None
    """W"""
    seen: datetime
    """Time of the latest message about it."""
    end: datetime | None = None
    end_reason: EndReason | None = None
    reported_end: str = ""
    """Time of the end as the charge point wrote it."""
    reported_meter_end: float | None = None
    """Wh"""
    is_final: bool = False
    """Whether its end was reported."""
    is_reconstructed: bool = False
    """Whether its start or end was not reported."""
    is_announced: bool = False
    """Whether it was stored, and its start became an event."""

    @property
    def is_accepted(self) -> bool:
        """Return whether the tag was accepted."""
        return self.status == AuthorizationStatus.accepted

    def read(self, reading: float, *, is_final: bool = False) -> None:
        """Count the energy up to a reading of the meter in Wh.

        A meter that restarts at 0 is recognized by a second reading below the one
        before the restart; a single one may be a glitch. The final reading counts.
        """
        if self.meter is None:
            self.meter = reading
        elif reading >= self.meter:
            self._count(reading - self.meter, reading)
        elif is_final or (self.lower_meter is not None and reading >= self.lower_meter):
            self._count(reading, reading)
        else:
            self.lower_meter = reading

    def _count(self, energy: float, reading: float) -> None:
        if energy >= 0 and self.energy + energy <= MAX_ENERGY:
            self.energy += energy
            self.meter = reading
            self.lower_meter = None

    def take(self, values: MeterValues, time: datetime) -> None:
        """Count what was measured at a time."""
        self.seen = max(time, self.seen)
        if values.energy is not None:
            self.read(values.energy)
        if values.power is not None:
            self._drew(values.power)

    def _drew(self, power: float) -> None:
        if 0 <= power <= MAX_POWER:
            self.peak_power = max(power, self.peak_power or 0.0)

    def ended(
        self, end: datetime, reason: EndReason, *, is_reconstructed: bool
    ) -> Transaction:
        """Return a copy that has ended."""
        return replace(
            self,
            end=max(end, self.start),
            end_reason=reason,
            is_reconstructed=is_reconstructed,
        )

    def shown(self) -> OpenTransaction:
        """Return what is shown of it."""
        return OpenTransaction(
            number=self.number,
            tag=self.name,
            is_accepted=self.is_accepted,
            start=self.start,
            energy=self.energy,
        )

    def session(self, charger_id: str) -> Session:
        """Return the session of the ledger."""
        return Session(
            charger_id=charger_id,
            start=self.start,
            end=self.end,
            energy_wh=round(self.energy, 3),
            peak_w=self.peak_power,
            end_reason=self.end_reason,
            tag=self.name or None,
            transaction_id=self.number or None,
            is_accepted=self.is_accepted,
            is_reconstructed=self.is_reconstructed,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
            if value is not None
        }

    @cached_property
    def record(self) -> dict[str, Any]:
        """Return what is stored of it after its end, when nothing changes any more."""
        return self.as_dict()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return a stored transaction; raises ArithmeticError, TypeError, ValueError."""
        values = dict(stored)
        for name in ("start", "seen", "end"):
            if name in values:
                values[name] = datetime.fromisoformat(values[name])
                if values[name].tzinfo is None:
                    raise ValueError(f"{name} has no time zone")
        for name in (
            "reported_meter_start",
            "meter",
            "lower_meter",
            "energy",
            "reported_meter_end",
        ):
            if name in values:
                values[name] = float(values[name])
        values["status"] = AuthorizationStatus(values["status"])
        if "end_reason" in values:
            values["end_reason"] = EndReason(values["end_reason"])
        return cls(**values)


@dataclass
class Transactions:
    """The transactions of a charge point."""

    open: list[Transaction] = field(default_factory=list)
    """By their start."""
    ended: deque[Transaction] = field(default_factory=lambda: deque(maxlen=KEPT_ENDED))

    def repeated(
        self, connector_id: int, tag: str, meter: float | None, reported_start: str
    ) -> Transaction | None:
        """Return the transaction that was started by the same message before."""
        key = (connector_id, tag, meter, reported_start)
        for each in [*self.open, *self.ended]:
            # Without a clock, two transactions may begin at the same time.
            if (each.end is None or each.is_start_known) and key == (
                each.connector_id,
                each.tag,
                each.reported_meter_start,
                each.reported_start,
            ):
                return each
        return None

    def displaced_by(self, transaction: Transaction) -> list[Transaction]:
        """Return the open transactions that must have ended before this one began."""
        if transaction not in self.open:
            return []
        older = self.open[: self.open.index(transaction)]
        same = [e for e in older if e.connector_id == transaction.connector_id]
        return same or older[: -(MAX_OPEN - 1)]

    def begin(self, transaction: Transaction) -> None:
        """Add an open transaction."""
        self.make_start_unique(transaction)
        self.open.append(transaction)

    def make_start_unique(self, transaction: Transaction) -> None:
        """Move a start a little that another one has: the ledger knows it by that."""
        starts = {each.start for each in (*self.open, *self.ended)}
        while transaction.start in starts:
            transaction.start += timedelta(microseconds=1)

    def to_end(
        self, number: int | None, reported_end: str, meter: float | None
    ) -> Transaction | None:
        """Return the transaction that a StopTransaction is about, also one that ended.

        A charge point that was not told the number sends 0 or less; if one
        transaction is open, it must be that.
        """
        if number is not None and number > 0:
            found = [e for e in (*self.open, *self.ended) if e.number == number]
            return found[0] if found else None
        for each in self.ended:
            if each.is_final and (reported_end, meter) == (
                each.reported_end,
                each.reported_meter_end,
            ):
                return each
        return self.open[0] if len(self.open) == 1 else None

    def on_connector(self, connector_id: int) -> Transaction | None:
        """Return the open transaction of a connector."""
        found = [each for each in self.open if each.connector_id == connector_id]
        return found[-1] if found else None

    def end(self, begun: Transaction | None, ended: Transaction) -> None:
        """Replace a transaction by what it is after its end."""
        self.open = [each for each in self.open if each is not begun]
        others = (each for each in self.ended if each.start != ended.start)
        self.ended = deque([*others, ended], maxlen=KEPT_ENDED)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "open": [each.as_dict() for each in self.open],
            "ended": [each.record for each in self.ended],
        }

    @classmethod
    def from_dict(cls, stored: object) -> Self:
        """Return the stored transactions, without those that are damaged."""
        transactions = cls()
        if isinstance(stored, Mapping):
            transactions.open.extend(_understood(stored.get("open")))
            transactions.ended.extend(_understood(stored.get("ended")))
        return transactions


def _understood(stored: object) -> Iterator[Transaction]:
    for record in stored if isinstance(stored, list) else ():
        try:
            yield Transaction.from_dict(record)
        except ArithmeticError, AttributeError, LookupError, TypeError, ValueError:
            continue
