"""What was asked of the charger, and the writes that make it so."""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
import math
from typing import Any, Final, Self

from ..modbus.enums import PhaseMode, StartStop
from ..modbus.model import Register
from ..modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
    Reading,
    Settings,
)
from .lease import Lease
from .phase_budget import PhaseBudget
from .session import Session

type Write = tuple[Register[Any], Any]

LEAST_CURRENT: Final = 6.0
"""A: the least that a car charges with."""

ORDER: Final[tuple[Register[Any], ...]] = (
    FALLBACK_TIMEOUT,
    FALLBACK_LIMIT,
    PHASE_MODE,
    CURRENT_LIMIT,
    START_STOP,
)
"""In which settings that are commanded together are written."""

TOLERANCE: Final = 0.05
"""A by which a current may differ from what was written."""


class Rejected(Exception):
    """A command that cannot be given, by the key of its sentence."""

    def __init__(self, key: str, allowed_from: datetime | None = None) -> None:
        """Take the key, and from when the command can be given."""
        super().__init__(key)
        self.key = key
        self.allowed_from = allowed_from


def agrees(found: float | None, wanted: float) -> bool:
    """Return whether a setting that was read back is the one that was written."""
    return found is not None and abs(found - wanted) <= TOLERANCE


def known(settings: Settings) -> dict[str, Any]:
    """Return the settings that are not None, by name."""
    return {k: v for k, v in asdict(settings).items() if v is not None}


def in_steps(wanted: Settings) -> Settings:
    """Return limits in the steps in which they are written: 0.1 A, and 1 s."""
    decimals = {"current_limit": 1, "fallback_limit": 1, "fallback_timeout": None}
    rounded: dict[str, Any] = {
        name: round(value, places)
        for name, places in decimals.items()
        if (value := getattr(wanted, name)) is not None and math.isfinite(value)
    }
    return replace(wanted, **rounded)


@dataclass
class Control:
    """The intent: what the user or an automation asked for, and nothing else.

    It is in control, and has to keep writing the current limit, from the first
    limit that was commanded until control is released.
    """

    intent: Settings = field(default_factory=Settings)
    budget: PhaseBudget = field(default_factory=PhaseBudget)
    session: Session = field(default_factory=Session)
    started_in: int | None = None
    """The session in which START was commanded."""
    phase_mode_seen: PhaseMode | None = None
    awaits_phase_mode: bool = False
    """The phase mode of the intent has not been seen since it was lost."""
    lease: Lease | None = None
    """For how long the current limit of the intent holds, if not for ever."""

    @property
    def is_in_control(self) -> bool:
        """Return whether the fallback timer has to be kept from running out."""
        return self.intent.current_limit is not None

    @property
    def limit(self) -> float | None:
        """Return the current in A that is safe to write now."""
        limit = self.intent.current_limit
        return None if limit is None else self._held_down(limit)

    def _held_down(self, limit: float) -> float:
        return min(limit, LEAST_CURRENT) if self.awaits_phase_mode else limit

    def observe(
        self,
        reading: Reading,
        settings: Settings,
        energy: float | None,
        now: datetime,
        *,
        at_once: bool = False,
    ) -> bool:
        """Take note of what was read; return whether what is stored changed."""
        before = self.as_dict()
        has_ended = self.session.observe(reading, energy, at_once=at_once)
        if has_ended and self.intent.start_stop is StartStop.START:
            self.intent = replace(self.intent, start_stop=None)
        if not self.session.is_open:
            # An energy that tells of another session may be a misread, which
            # must not cost the charger's contactors six switches more.
            self.budget.end_session()
        mode = settings.phase_mode
        if mode is not None:
            if self.phase_mode_seen not in (None, mode):
                self.count_switch(now)
            self.phase_mode_seen = mode
            if mode == self.intent.phase_mode:
                self.awaits_phase_mode = False
        return self.as_dict() != before

    def check(self, wanted: Settings, now: datetime) -> None:
        """Check what is commanded; raises Rejected."""
        limit = wanted.fallback_limit
        if limit is not None and limit != 0 and not limit >= LEAST_CURRENT:
            raise Rejected("fallback_limit_between")
        if wanted.phase_mode not in (None, self.phase_mode_seen):
            allowed_from = self.budget.allowed_from(now)
            if allowed_from is None:
                raise Rejected("phase_budget_of_session")
            if allowed_from > now:
                raise Rejected("phase_budget", allowed_from)

    def commands(self, wanted: Settings, found: Settings) -> list[Write]:
        """Return the writes of what is commanded together, in their order.

        A current limit that is lowered comes first.
        """
        writes = [
            (register, getattr(wanted, register.name))
            for register in ORDER
            if getattr(wanted, register.name) is not None
        ]
        limit, present = wanted.current_limit, found.current_limit
        if limit is not None and (present is None or limit < present):
            writes.sort(key=lambda write: write[0] is not CURRENT_LIMIT)
        return writes

    def is_switch(self, register: Register[Any], value: Any) -> bool:
        """Return whether a command switches the phases."""
        return register is PHASE_MODE and value != self.phase_mode_seen

    def count_switch(self, now: datetime) -> None:
        """Count a switch of the phases: before it is written, or once it is seen."""
        self.budget.record(now, in_session=self.session.is_open)

    def before(
        self, register: Register[Any], value: Any, found: Settings
    ) -> list[Write]:
        """Return what has to be written before a command."""
        lowers_timeout = register is FALLBACK_TIMEOUT and (
            found.fallback_timeout is None or value < found.fallback_timeout
        )
        if lowers_timeout and self.intent.current_limit is not None:
            return [(CURRENT_LIMIT, self.intent.current_limit)]
        return []

    def on_the_wire(self, register: Register[Any], value: Any) -> Any:
        """Return what is safe to write for a command."""
        return self._held_down(value) if register is CURRENT_LIMIT else value

    def phase_restoration(self, now: datetime) -> list[Write]:
        """Return the writes that restore the phase mode, once that is allowed."""
        if not self.awaits_phase_mode or not self.budget.is_allowed(now):
            return []
        # The limit is held down before the charger takes its time for this.
        registers = (
            CURRENT_LIMIT,
            PHASE_MODE,
            CURRENT_LIMIT,
        )
        return [
            (register, getattr(self.intent, register.name))
            for register in registers
            if getattr(self.intent, register.name) is not None
        ]

    def phase_mode_shown(self, found: PhaseMode | None) -> None:
        """Take note of what the charger made of a phase mode that was restored."""
        self.awaits_phase_mode = found != self.intent.phase_mode
        self.phase_mode_seen = found

    def confirm(
        self, register: Register[Any], value: Any, lease: Lease | None = None
    ) -> None:
        """Take over what a command has made of a setting.

        A lease comes with a current limit.
        """
        self.intent = replace(self.intent, **{register.name: value})
        if register is CURRENT_LIMIT:
            self.lease = lease
        if register is START_STOP:
            self.started_in = self.session.number if value is StartStop.START else None
        if register is PHASE_MODE:
            self.awaits_phase_mode = False
            self.phase_mode_seen = value

    def expire(self, now: datetime) -> bool:
        """Take the safe limit over once the lease is; return whether it just was."""
        if self.lease is None or self.lease.remaining(now) > timedelta():
            return False
        self.intent = replace(self.intent, current_limit=self.lease.safe_limit)
        self.lease = None
        return True

    def release(self) -> None:
        """Ask for nothing any more."""
        self.intent = Settings()
        self.lease = None
        self.started_in = None
        self.awaits_phase_mode = False

    def restoration(self, found: Settings, now: datetime) -> list[Write]:
        """Return the writes that restore the intent, the safest first.

        To be called after a connection was made, with what was read from it.
        When the turn of each comes, `on_the_wire` tells what is safe of a
        current limit, and a phase mode is a switch to be counted.
        """
        intent = self.intent
        writes: list[Write] = []
        if intent.start_stop is StartStop.STOP:
            writes.append((START_STOP, StartStop.STOP))
        for register in (FALLBACK_TIMEOUT, FALLBACK_LIMIT):
            wanted, present = (getattr(s, register.name) for s in (intent, found))
            # What is there is not written with each connection that is lost.
            if wanted is not None and not agrees(present, wanted):
                writes += [*self.before(register, wanted, found), (register, wanted)]

        mode = intent.phase_mode
        self.awaits_phase_mode = mode is not None and found.phase_mode != mode
        if phases := self.phase_restoration(now):
            writes += phases
        elif intent.current_limit is not None:
            writes.append((CURRENT_LIMIT, intent.current_limit))

        is_same_session = self.started_in == self.session.number
        if intent.start_stop is StartStop.START and is_same_session:
            writes.append((START_STOP, StartStop.START))
        return writes

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "intent": known(self.intent),
            "budget": self.budget.as_dict(),
            "session": self.session.as_dict(),
            "started_in": self.started_in,
            "phase_mode_seen": self.phase_mode_seen,
            "lease": None if self.lease is None else self.lease.as_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored."""
        intent = dict(data["intent"])
        for name, members in (("start_stop", StartStop), ("phase_mode", PhaseMode)):
            if name in intent:
                intent[name] = members(intent[name])
        seen, lease = data["phase_mode_seen"], data["lease"]
        return cls(
            intent=Settings(**intent),
            budget=PhaseBudget.from_dict(data["budget"]),
            session=Session.from_dict(data["session"]),
            started_in=data["started_in"],
            phase_mode_seen=None if seen is None else PhaseMode(seen),
            lease=None if lease is None else Lease.from_dict(lease),
        )
