"""What a central system reports."""

from dataclasses import dataclass

from ..ledger.session import Session
from .state import BootInfo, OpenTransaction


@dataclass(frozen=True, slots=True)
class Discovered:
    """A charge point with the right password waits to be adopted."""

    charge_point_id: str
    boot: BootInfo | None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state of a charge point changed, if only the time of its latest message."""

    charge_point_id: str


@dataclass(frozen=True, slots=True)
class TagPresented:
    """A tag was presented to a charge point."""

    charge_point_id: str
    tag_id: str
    name: str | None
    """None if the tag is not known."""
    is_accepted: bool


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """A transaction began; with `is_late` while the charge point was offline."""

    charge_point_id: str
    transaction: OpenTransaction
    is_late: bool


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """A transaction ended; with `is_late` while the charge point was offline."""

    charge_point_id: str
    session: Session
    is_late: bool


@dataclass(frozen=True, slots=True)
class WrongPasswords:
    """An address is locked out for a minute: it sent too many wrong passwords."""

    address: str
    charge_point_id: str


type Event = (
    Discovered
    | StateChanged
    | TagPresented
    | TransactionStarted
    | TransactionEnded
    | WrongPasswords
)
