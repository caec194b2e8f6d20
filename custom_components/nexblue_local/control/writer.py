"""One write to the charger, and its outcome."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from enum import StrEnum
import logging
import math
from typing import Final

from .link import Busy, Connection, Link, LinkError, Lost, Refused
from .settings import Setting, Value, agrees, is_accepted, is_lower
from .state import ControlState
from .timing import Timing, clock

_LOGGER = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of a write."""

    CONFIRMED = "confirmed"
    """The charger has the value."""
    REDUCED = "reduced"
    """The charger has a lower value, which it had not before."""
    IGNORED = "ignored"
    """The charger has another value."""
    REFUSED = "refused"
    BUSY = "busy"
    UNKNOWN = "unknown"
    """The connection was lost, and the charger could not be read since."""
    SUPERSEDED = "superseded"
    """A newer command replaced it."""


type Condition = Callable[[], bool]

NOT_EXECUTED: Final = (Outcome.REFUSED, Outcome.BUSY)
"""Outcomes of a write that certainly changed nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a write, and what the charger has."""

    outcome: Outcome
    found: Value | None = None
    error: LinkError | None = None


@dataclass(eq=False)
class Writer:
    """Write settings and read them back."""

    link: Link
    control: ControlState
    timing: Timing
    limit_written_at: float = field(default_factory=clock)
    """When the current limit was last written, or control started."""
    has_written_limit: bool = False
    sent_at: dict[Setting, float] = field(default_factory=dict)
    """When each setting was last sent; it may read as before for some time after that."""
    phases_settle_at: float = field(default_factory=clock)
    """Until when the phase mode may read as before a switch."""
    interrupt: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the pause between two reads, for what cannot wait."""
    limits_on_trial: int = 0
    """How many limits are being confirmed or tried, which are not the effective one yet."""
    _times_due: int = 0
    """How often the current limit had to be written as soon as possible."""
    _limits_sent: int = 0
    _last_limit_taken: int = 0
    """Which of the current limits that were sent was acknowledged last."""

    def make_limit_due(self) -> None:
        """Have the keep-alive write the current limit as soon as it can."""
        self.limit_written_at = -math.inf
        self._times_due += 1

    @property
    def is_limit_due(self) -> bool:
        """Return whether the current limit has to be written as soon as possible."""
        return self.limit_written_at == -math.inf

    @property
    def period(self) -> float:
        """Return the time in seconds between two writes of the current limit."""
        return self.timing.keep_alive_period(self.link.settings.fallback_timeout)

    @property
    def limit_due_at(self) -> float:
        """Return when the current limit has to be written again."""
        return self.limit_written_at + self.period

    async def write_limit_if_due(self, connection: Connection) -> bool:
        """Write the current limit in time; return whether nothing was refused.

        Raises LinkError if it is lost.
        """
        limit = self.control.limits.effective
        if limit is None or clock() < self.limit_due_at:
            return True
        result = await self.send(connection, Setting.CURRENT_LIMIT, limit)
        return result.error is None

    @contextmanager
    def trying_limit(self) -> Iterator[None]:
        """Keep the keep-alive from writing the effective limit meanwhile."""
        self.limits_on_trial += 1
        try:
            yield
        finally:
            self.limits_on_trial -= 1

    async def keep_alive(self, connection: Connection) -> None:
        """Write the current limit in time; a failure is not one of what waits."""
        try:
            await self.write_limit_if_due(connection)
        except LinkError as error:
            _LOGGER.debug("Keep-alive failed: %s", error)

    async def send(
        self, connection: Connection, setting: Setting, value: Value
    ) -> Result:
        """Write a setting without reading it back; raises LinkError if it is lost."""
        # The charger counts its fallback timeout from the write at the earliest.
        now, times_due = clock(), self._times_due
        self.sent_at[setting] = now
        is_limit = setting is Setting.CURRENT_LIMIT
        self._limits_sent += is_limit
        number = self._limits_sent
        if setting is Setting.PHASE_MODE:
            self.phases_settle_at = now + self.timing.confirm_for
        try:
            await connection.write(setting, value)
        except Refused as error:
            is_busy = isinstance(error, Busy)
            return Result(Outcome.BUSY if is_busy else Outcome.REFUSED, error=error)
        if is_limit:
            self.has_written_limit = True
            if number < self._last_limit_taken:
                # It was repeated while the charger was busy, and came after a newer one.
                self.make_limit_due()
                return Result(Outcome.CONFIRMED, value)
            self._last_limit_taken = number
            # Otherwise the limit has changed meanwhile, and is written next.
            if self._times_due == times_due:
                self.limit_written_at = now
        return Result(Outcome.CONFIRMED, value)

    async def write(
        self,
        connection: Connection,
        setting: Setting,
        value: Value,
        is_superseded: Condition = lambda: False,
    ) -> Result:
        """Write a setting and read it back; raises LinkError if nothing was sent."""
        is_limit = setting is Setting.CURRENT_LIMIT
        with self.trying_limit() if is_limit else nullcontext():
            return await self._write(connection, setting, value, is_superseded)

    async def _write(
        self,
        connection: Connection,
        setting: Setting,
        value: Value,
        is_superseded: Condition,
    ) -> Result:
        present = self.link.settings[setting]
        is_acknowledged = False
        try:
            result = await self.send(connection, setting, value)
            if result.outcome is not Outcome.CONFIRMED:
                return result
            is_acknowledged = True
            found = await self.read_back(
                connection,
                setting,
                lambda found: is_accepted(setting, found, value) or is_superseded(),
                # The keep-alive does not wait for a charger that takes its time.
                is_kept_alive=setting is not Setting.CURRENT_LIMIT,
            )
        except (Lost, Refused) as error:
            # A read was refused, or an answer is missing: the write may have been
            # executed. A late answer must not be taken for that of another request.
            result = await self._find_out(setting, value, error)
            if is_acknowledged and result.outcome is Outcome.IGNORED:
                is_done = is_accepted(setting, result.found, value)
                return Result(Outcome.CONFIRMED, result.found) if is_done else result
            return result
        if is_superseded():
            return Result(Outcome.SUPERSEDED, found)
        if is_accepted(setting, found, value):
            return Result(Outcome.CONFIRMED, found)
        is_reduced = found != present and is_lower(found, value)
        return Result(Outcome.REDUCED if is_reduced else Outcome.IGNORED, found)

    async def _find_out(
        self, setting: Setting, value: Value, error: LinkError
    ) -> Result:
        """Return the outcome of a write that was not answered."""
        self.link.disconnect()
        try:
            connection = await self.link.connect()
            found = await self.verify(connection, setting, value)
        except LinkError as second:
            return Result(Outcome.UNKNOWN, error=second)
        _LOGGER.debug("%s: found %s after %r", setting, found, error)
        if agrees(found, value):
            return Result(Outcome.CONFIRMED, found)
        return Result(Outcome.IGNORED, found, error)

    async def verify(
        self, connection: Connection, setting: Setting, value: Value
    ) -> Value | None:
        """Read a setting until it is exactly as written, or its time is over.

        That counts from the write, which may have been on another connection.
        """
        return await self.read_back(
            connection,
            setting,
            lambda found: agrees(found, value),
            since=self.sent_at.get(setting),
        )

    async def read_back(
        self,
        connection: Connection,
        setting: Setting,
        is_done: Callable[[Value | None], bool],
        *,
        is_kept_alive: bool = False,
        since: float | None = None,
    ) -> Value | None:
        """Read a setting until that is done, or its time is over; return it."""
        end = (clock() if since is None else since) + self.timing.confirm_for
        pause = self.timing.confirm_every
        while True:
            found = (await connection.read_settings())[setting]
            if is_done(found) or clock() + pause > end:
                return found
            if is_kept_alive:
                await self.keep_alive(connection)
            self.interrupt.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.interrupt.wait()
