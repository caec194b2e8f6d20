"""Step the current limit down and back, to see what the charger makes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
import math
from typing import Final

from .link import Connection, LinkError
from .settings import LEAST_CURRENT, Setting, Value, agrees
from .state import ControlState
from .timing import clock
from .writer import Writer

STEPS: Final = (0.7, 0.4, 0.0)
"""A above a whole number that is below the limit.

What is read back tells tenths, halves and whole amperes apart, rounded down or up.
None of them can be rounded up to more than the limit.
"""


class Obstacle(StrEnum):
    """Why the current limit cannot be stepped safely."""

    NOT_IN_CONTROL = "not_in_control"
    """A write starts the fallback timer, and nobody would write again."""
    TIME_LIMIT = "time_limit"
    """The limit may expire meanwhile."""
    TOO_LOW = "too_low"
    """A lower limit would pause charging."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """A limit that was written in A, and what was read after that."""

    written: float
    found: float | None
    seconds: float | None
    """From the write until this value was read; None if it was read before as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTrial:
    """What the charger made of lower limits."""

    limit: float
    """The limit in A before and after."""
    steps: tuple[ReadBack, ...]
    restored: ReadBack | None
    """How the limit was restored; None leaves it to the keep-alive."""
    failure: LinkError | None
    """Why it ended early; without one, a command or another limit came first."""

    @property
    def is_complete(self) -> bool:
        """Return whether all steps were made."""
        return len(self.steps) == len(STEPS)


def obstacle(state: ControlState) -> Obstacle | None:
    """Return why the limit cannot be stepped safely, None if it can."""
    limit = state.limits.effective
    if limit is None:
        return Obstacle.NOT_IN_CONTROL
    if state.lease is not None:
        return Obstacle.TIME_LIMIT
    if math.floor(limit) - 1 < LEAST_CURRENT:
        return Obstacle.TOO_LOW
    return None


def _as_number(value: Value | None) -> float | None:
    return value if isinstance(value, int | float) else None


async def try_limits(
    connection: Connection,
    state: ControlState,
    writer: Writer,
    must_end: Callable[[], bool],
) -> LimitTrial:
    """Write lower limits, read each back, and write the effective one again.

    Whoever calls it holds the lock of control, and has checked for an `obstacle`. If
    `must_end`, the limit is written again at once.
    """
    limit = state.limits.effective
    assert limit is not None

    def is_over() -> bool:
        return must_end() or state.limits.effective != limit

    async def write(value: float, before: float | None) -> ReadBack:
        started = clock()
        result = await writer.send(connection, Setting.CURRENT_LIMIT, value)
        if result.error is not None:
            raise result.error
        found = await writer.read_back(
            connection,
            Setting.CURRENT_LIMIT,
            # Any other value than before is what the charger made of it.
            lambda found: agrees(found, value) or found != before or is_over(),
        )
        seconds = None if found == before else clock() - started
        return ReadBack(value, _as_number(found), seconds)

    steps: list[ReadBack] = []
    failure: LinkError | None = None
    restored: ReadBack | None = None
    before = _as_number((await connection.read_settings()).current_limit)
    try:
        for step in STEPS:
            if is_over():
                break
            steps.append(await write(round(math.floor(limit) - 1 + step, 1), before))
            before = steps[-1].found
    except LinkError as error:
        failure = error
    finally:
        # If this fails or is cancelled, the keep-alive writes it at once.
        writer.make_limit_due()
        effective = state.limits.effective
        try:
            restored = await write(limit if effective is None else effective, before)
        except LinkError as error:
            failure = failure or error
    return LimitTrial(
        limit=limit, steps=tuple(steps), restored=restored, failure=failure
    )
