"""One write to the charger, and its outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
import logging

from .environment import Environment
from .link import Connection, Link, LinkError, Lost, Refused
from .settings import Setting, Value, agrees, is_accepted

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


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a write, and what the charger has."""

    outcome: Outcome
    found: Value | None = None
    error: LinkError | None = None


async def nothing() -> None:
    """Do nothing while a read-back waits."""


class Writer:
    """Write settings and read them back."""

    def __init__(self, link: Link, environment: Environment) -> None:
        """Initialize the writer."""
        self._link = link
        self._timing = environment.timing
        self._clock = environment.clock
        self.limit_written_at = self._clock()
        """When the current limit was last written, or control started; -inf if it has
        to be written at once."""
        self.has_written_limit = False
        self.phases_settle_at = self._clock()
        """Until when the phase mode may read as before a switch."""
        self.interrupt = asyncio.Event()
        """Ends the pause between two reads, for what cannot wait."""

    async def send(
        self, connection: Connection, setting: Setting, value: Value
    ) -> Result:
        """Write a setting without reading it back; raises LinkError if it is lost."""
        # The charger counts its fallback timeout from the write at the earliest.
        now = self._clock()
        if setting is Setting.PHASE_MODE:
            self.phases_settle_at = now + self._timing.confirm_for
        try:
            await connection.write(setting, value)
        except Refused as error:
            outcome = Outcome.BUSY if error.is_busy else Outcome.REFUSED
            return Result(outcome, error=error)
        if setting is Setting.CURRENT_LIMIT:
            self.limit_written_at = now
            self.has_written_limit = True
        return Result(Outcome.CONFIRMED, value)

    async def write(
        self,
        connection: Connection,
        setting: Setting,
        value: Value,
        *,
        is_superseded: Callable[[], bool] = lambda: False,
        meanwhile: Callable[[], Awaitable[None]] = nothing,
    ) -> Result:
        """Write a setting and read it back; raises LinkError if nothing was sent.

        `meanwhile` is awaited between two reads.
        """
        present = self._link.settings[setting]
        try:
            result = await self.send(connection, setting, value)
            if result.outcome is not Outcome.CONFIRMED:
                return result
            found = await self.read_back(
                connection,
                setting,
                value,
                is_done=is_accepted,
                is_superseded=is_superseded,
                meanwhile=meanwhile,
            )
        except (Lost, Refused) as error:
            # A read was refused, or an answer is missing: the write may have been
            # executed. A late answer must not be taken for that of another request.
            return await self._find_out(setting, value, error)
        if is_superseded():
            return Result(Outcome.SUPERSEDED, found)
        return self._judge(setting, value, present, found)

    async def _find_out(
        self, setting: Setting, value: Value, error: LinkError
    ) -> Result:
        """Return the outcome of a write that was not answered."""
        self._link.disconnect()
        try:
            connection = await self._link.connect()
            found = await self.read_back(connection, setting, value)
        except LinkError as second:
            return Result(Outcome.UNKNOWN, error=second)
        _LOGGER.debug("%s: found %s after %r", setting, found, error)
        if agrees(found, value):
            return Result(Outcome.CONFIRMED, found)
        return Result(Outcome.IGNORED, found, error)

    @staticmethod
    def _judge(
        setting: Setting, value: Value, present: Value | None, found: Value | None
    ) -> Result:
        if is_accepted(setting, found, value):
            return Result(Outcome.CONFIRMED, found)
        if (
            isinstance(found, int | float)
            and isinstance(value, int | float)
            and found < value
            and found != present
        ):
            return Result(Outcome.REDUCED, found)
        return Result(Outcome.IGNORED, found)

    async def read_back(
        self,
        connection: Connection,
        setting: Setting,
        value: Value,
        *,
        is_done: Callable[[Setting, Value | None, Value], bool] = lambda _, *values: (
            agrees(*values)
        ),
        is_superseded: Callable[[], bool] = lambda: False,
        meanwhile: Callable[[], Awaitable[None]] = nothing,
    ) -> Value | None:
        """Read a setting until that is done or its time is over; return it."""
        end = self._clock() + self._timing.confirm_for
        while True:
            found = (await connection.read_settings())[setting]
            pause = self._timing.confirm_every
            if (
                is_done(setting, found, value)
                or is_superseded()
                or self._clock() + pause > end
            ):
                return found
            await meanwhile()
            self.interrupt.clear()
            try:
                async with asyncio.timeout(pause):
                    await self.interrupt.wait()
            except TimeoutError:
                pass
