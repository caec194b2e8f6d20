"""What control knows of one charger, and how it is stored."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Self

from . import record
from .errors import Rejected
from .lease import Lease
from .limits import STEPS, Limits, LimitStep, Source
from .link import Observation
from .phase_budget import PhaseBudget
from .phases import Phases
from .session import End, Session
from .settings import (
    LEAST_CURRENT,
    RANGES,
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
)

ENERGY_STEP: Final = 0.5
"""kWh: the session energy is stored in such steps, to write to the disk less."""

DECODERS: Final[dict[str, Callable[[Any], Value]]] = {
    Setting.CURRENT_LIMIT: record.number,
    Setting.FALLBACK_LIMIT: record.number,
    Setting.FALLBACK_TIMEOUT: record.integer,
    Setting.PHASE_MODE: PhaseMode,
    Setting.START_STOP: StartStop,
}


def _lease(data: Any) -> Lease:
    return Lease(
        until=record.time(data["until"]),
        valid_for=timedelta(seconds=record.number(data["valid_for"])),
        safe_limit=record.number(data["safe_limit"]),
    )


def _limit_step(data: Any) -> LimitStep:
    step = record.optional(record.number, data["limit_step"])
    if step not in (None, *STEPS):
        raise ValueError(f"{step} is no step")
    return LimitStep(
        version=record.optional(partial(record.exactly, str), data["version"]),
        step=step,
        shows_offered=record.exactly(bool, data["shows_offered"]),
    )


class DamagedRecord(Exception):
    """A stored record that cannot be read."""


def _check_ranges(settings: Settings, safe_limit: float | None) -> None:
    safe = ("safe_limit", Setting.CURRENT_LIMIT, safe_limit)
    for name, setting, value in (*((s, s, value) for s, value in settings), safe):
        if isinstance(value, int | float):
            low, high = RANGES[setting]
            if not low <= value <= high:
                raise Rejected(f"{name}_out_of_range", low=low, high=high)


@dataclass
class ControlState:
    """The desired state, and what is needed to restore it.

    Home Assistant is in control, and has to keep writing the current limit, from
    the first limit that is set until control is released.
    """

    desired: Settings = field(default_factory=Settings)
    """What was requested, and nothing else."""
    lease: Lease | None = None
    """For how long the desired current limit applies, if not without end."""
    limits: Limits = field(init=False)
    phases: Phases = field(default_factory=Phases)
    session: Session = field(default_factory=Session)

    def __post_init__(self) -> None:
        """Initialize the limits."""
        self.limits = Limits(self.phases)
        self.limits.set(Source.USER, self.desired.current_limit)

    @property
    def wanted_phase_mode(self) -> PhaseMode | None:
        """Return the phase mode that the charger has to have, None if any will do."""
        requested = self.desired.phase_mode
        if requested in (None, PhaseMode.ADAPTIVE) and self.phases.is_delegated:
            return None
        return requested or self.phases.found

    @property
    def is_in_control(self) -> bool:
        """Return whether the fallback timer has to be kept from running out."""
        return self.limits.effective is not None

    def check(self, wanted: Settings, safe_limit: float | None = None) -> None:
        """Raise Rejected for a value that the charger would not take as it is."""
        _check_ranges(wanted, safe_limit)
        limit = wanted.fallback_limit
        if limit is not None and 0 < limit < LEAST_CURRENT:
            raise Rejected("fallback_limit_between")

    def check_phase_budget(self, wanted: PhaseMode | None, now: datetime) -> None:
        """Raise Rejected for a switch over budget."""
        if wanted in (None, self.phases.seen):
            return
        allowed_from = self.phases.budget.allowed_from(now)
        if allowed_from is None:
            raise Rejected("phase_budget_of_session")
        if allowed_from > now:
            raise Rejected("phase_budget", allowed_from=allowed_from)

    def observe(
        self,
        observation: Observation,
        now: datetime,
        *,
        phases_settled: bool,
        at_once: bool = False,
    ) -> bool:
        """Update from what was read; return whether what is stored changed.

        START and STOP are dropped with their session. While it is only inferred
        that it ended, STOP is kept, because it is the safe one.
        """
        before = self.as_dict()
        self.limits.step.identify(observation.version)
        end = self.session.observe(
            observation.status, observation.session_energy, at_once=at_once
        )
        if end is End.SEEN or (
            end is End.INFERRED and self.desired.start_stop is StartStop.START
        ):
            self.desired = self.desired.with_value(Setting.START_STOP, None)
        if not self.session.is_open:
            # An inferred end may be a misread, which must not allow six switches.
            self.phases.budget.in_session = 0
        mode = observation.settings.phase_mode
        if phases_settled and mode is not None:
            if self.phases.seen not in (None, mode):
                # Somebody else switched them.
                self.phases.budget.record(now, in_session=self.session.is_open)
            self.phases.observe(mode, self.wanted_phase_mode)
        return self.as_dict() != before

    def confirm(
        self, setting: Setting, value: Value, lease: Lease | None = None
    ) -> None:
        """Make a value the desired one; a lease comes with a current limit."""
        self.desired = self.desired.with_value(setting, value)
        if setting is Setting.CURRENT_LIMIT:
            self.lease = lease
            self.limits.set(Source.USER, self.desired.current_limit)
        elif isinstance(value, PhaseMode):
            self.phases.settle(value)

    def expire(self, now: datetime) -> bool:
        """Replace an expired limit by its safe one; return whether it just expired."""
        if self.lease is None or self.lease.remaining(now) > timedelta():
            return False
        self.confirm(Setting.CURRENT_LIMIT, self.lease.safe_limit)
        return True

    def release(self) -> None:
        """Request nothing any more, and limit nothing."""
        self.desired, self.lease = Settings(), None
        self.phases.settle(self.phases.seen)
        self.phases.is_delegated = False
        for source in Source:
            self.limits.set(source, None)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        budget, session, lease = self.phases.budget, self.session, self.lease
        learned = self.limits.step
        return {
            "desired": {setting.value: value for setting, value in self.desired},
            "budget": {
                "switches": [
                    [t.isoformat() for t in times] for times in budget.switches
                ],
                "in_session": budget.in_session,
            },
            "session": {
                "number": session.number,
                "is_open": session.is_open,
                "energy": session.energy // ENERGY_STEP * ENERGY_STEP,
            },
            "phase_mode_seen": self.phases.seen,
            "phase_mode_found": self.phases.found,
            "learned": {
                "version": learned.version,
                "limit_step": learned.step,
                "shows_offered": learned.shows_offered,
            },
            "lease": None
            if lease is None
            else {
                "until": lease.until.isoformat(),
                "valid_for": lease.valid_for.total_seconds(),
                "safe_limit": lease.safe_limit,
            },
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored; raises DamagedRecord."""
        try:
            budget, session, learned = data["budget"], data["session"], data["learned"]
            desired: dict[str, Any] = {
                name: DECODERS[name](value) for name, value in data["desired"].items()
            }
            switches = [
                (record.time(made), record.time(counts_from))
                for made, counts_from in budget["switches"]
            ]
            state = cls(
                desired=Settings(**desired),
                lease=record.optional(_lease, data["lease"]),
                phases=Phases(
                    PhaseBudget(switches, record.integer(budget["in_session"])),
                    seen=record.optional(PhaseMode, data["phase_mode_seen"]),
                    # Earlier versions did not store it.
                    found=record.optional(PhaseMode, data["phase_mode_found"]),
                ),
                session=Session(
                    number=record.integer(session["number"]),
                    is_open=record.exactly(bool, session["is_open"]),
                    energy=record.number(session["energy"]),
                ),
            )
            state.limits.step = _limit_step(learned)
            safe_limit = None if state.lease is None else state.lease.safe_limit
            _check_ranges(state.desired, safe_limit)
        except (
            LookupError,
            ArithmeticError,
            AttributeError,
            TypeError,
            ValueError,
            Rejected,
        ) as error:
            raise DamagedRecord(f"{type(error).__name__}: {error}") from error
        return state
