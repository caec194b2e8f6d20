"""Commands to one charger, and everything that keeps them in force."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
import logging
import math
from typing import Any, Final

from . import plan
from .environment import Environment
from .errors import CommandFailed, Rejected
from .keep_alive import KeepAlive
from .lease import Lease
from .limit_trial import LimitTrial, Obstacle, obstacle, try_limits
from .limits import Source
from .link import Connection, Link, LinkError, Lost, Observation, Refused
from .queue import CommandQueue, Ticket
from .reconciler import Command, Reconciler
from .settings import (
    LEAST_CURRENT,
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
    is_lower,
)
from .state import ControlState
from .timing import clock
from .writer import Condition, Outcome, Result, Writer

_LOGGER = logging.getLogger(__name__)

SESSION_READS: Final = 4
"""How often a read that a charger refuses now and then is tried."""

ERRORS: Final = {
    Outcome.REDUCED: "clamped",
    Outcome.IGNORED: "not_taken",
    Outcome.REFUSED: "refused",
    Outcome.BUSY: "refused",
    Outcome.UNKNOWN: "perhaps_executed",
}
"""Keys of the errors that outcomes of commands raise."""


class Controller:
    """Control of one charger.

    One command after the other has the lock, and whoever has it is the only one to
    write, except for a limit that is lowered (see `set`).
    """

    def __init__(
        self, link: Link, environment: Environment, state: ControlState
    ) -> None:
        """Initialize with the stored state; see `start`."""
        self.link = link
        self.state = state
        self._environment = environment
        self._lock = asyncio.Lock()
        self._queue = CommandQueue()
        self._lowered_by: Ticket | None = None
        """The command whose limit is in force before its turn."""
        self._writer = writer = Writer(link, state, environment.timing)
        self.reconciler = Reconciler(environment, link, state, writer)
        self.keep_alive = KeepAlive(
            environment, state, writer, self.reconciler, self._lock
        )

    async def start(self) -> None:
        """Begin to keep the desired state alive."""
        if await self.reconciler.expire():
            # It is restored with the rest.
            self._writer.limit_written_at = clock()
        self.keep_alive.update()

    def stop(self) -> None:
        """Stop writing, except for the command that is executed now."""
        self.keep_alive.is_stopped = True
        self.keep_alive.update()

    async def finish(self) -> None:
        """Stop, and wait for the command that is executed now."""
        self.stop()
        async with self._lock:
            pass

    @property
    def wanted(self) -> Settings:
        """Return what was requested, and the charger's settings where nothing was.

        A phase mode that others chose is neither: then it is adaptive.
        """
        found = self.link.settings
        if self.state.phases.is_delegated and found.phase_mode is not None:
            found = found.with_value(Setting.PHASE_MODE, PhaseMode.ADAPTIVE)
        return self.state.desired.over(found)

    @property
    def next_phase_switch(self) -> datetime | None:
        """Return when the phases may be switched; None: now, or not in this session."""
        now = self._environment.now()
        allowed_from = self.state.phases.budget.allowed_from(now)
        return None if allowed_from == now else allowed_from

    @property
    def phase_switches_left(self) -> int:
        """Return how many phase switches may be made now."""
        budget, now = self.state.phases.budget, self._environment.now()
        return budget.left(now) if budget.is_allowed(now) else 0

    def check(self, wanted: Settings, lease: Lease | None = None) -> Settings:
        """Return settings in the steps that are written.

        Raises Rejected for a value out of range or that the charger cannot take.
        The phase budget is not checked, because the charger is read for that.
        """
        wanted = wanted.rounded()
        if any(setting not in self.link.capabilities for setting, _ in wanted):
            raise Rejected("not_supported")
        self.state.check(wanted, None if lease is None else lease.safe_limit)
        return wanted

    def set_limits(self, limits: Mapping[str, float | None]) -> None:
        """Set limits in A of other sources; they are written at once, not stored.

        Only a change of the lowest limit is written.
        """
        before = self.state.limits.effective
        for source, value in limits.items():
            self.state.limits.set(source, value)
        limit = self.state.limits.effective
        if limit == before:
            return
        self._writer.make_limit_due()
        self.keep_alive.update()
        connection = self.reconciler.connection
        is_lowered = limit is not None and (before is None or limit < before)
        if limit is None or not is_lowered or connection is None:
            return
        if self._lock.locked():
            # It does not wait for whoever writes now.
            self._writer.interrupt.set()
            self._environment.start(self._try_to_limit(connection, limit))

    async def adopt_limit(self, limit: float) -> None:
        """Make a limit in A that the charger has the one of the user, and store it."""
        self.state.confirm(Setting.CURRENT_LIMIT, limit)
        self.keep_alive.update()
        await self.reconciler.save()

    def delegate_phases(self, *, is_delegated: bool) -> None:
        """Let others choose the phase mode, or return to the one that was requested.

        That waits for the phase budget.
        """
        phases = self.state.phases
        if phases.is_delegated is is_delegated:
            return
        phases.is_delegated = is_delegated
        phases.await_mode(phases.seen, self.state.wanted_phase_mode)

    async def choose_phases(self, mode: PhaseMode) -> None:
        """Switch delegated phases within the budget; the mode is not stored.

        Raises Rejected and CommandFailed.
        """
        with self._reported():
            async with self._lock:
                connection = await self._ready()
                await connection.read_settings()
                # Somebody else may have switched them.
                await self.reconciler.observe(await self.link.observe())
                phases = self.state.phases
                is_free = self.state.wanted_phase_mode is None and phases.is_delegated
                if not is_free or mode is phases.seen:
                    return
                self.state.check_phase_budget(mode, self._environment.now())
                phases.found = phases.found or phases.seen
                result = await self.reconciler.switch_phases(connection, mode)
                if isinstance(result.found, PhaseMode):
                    phases.seen = result.found
                    await self.reconciler.save()
                if result.outcome is not Outcome.CONFIRMED:
                    key, detail = ERRORS[result.outcome], str(result.error or "")
                    raise CommandFailed(
                        key, detail, Setting.PHASE_MODE, mode, result.found
                    )

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Raise CommandFailed for an error of the link, and publish what changed."""
        try:
            yield
        except LinkError as error:
            raise CommandFailed(error.key, str(error)) from error
        finally:
            self.keep_alive.update()
            self._environment.notifier.updated(is_fresh=False)

    async def set(self, wanted: Settings, lease: Lease | None = None) -> None:
        """Write settings, confirm them by reading back, and store them.

        A lease limits the time for which a current limit applies. Raises Rejected
        before anything is written, and CommandFailed. Settings that were confirmed
        before an error still apply.

        A newer command replaces an older one that waits, which then shares its
        outcome, or is executed if the newer one is cancelled. A lower limit does not
        wait for a command that is executed: it is written at once, then confirmed in
        its turn.
        """
        wanted = self.check(wanted, lease)
        with self._queue.enter(wanted) as ticket, self._reported():
            try:
                await self._lower_at_once(wanted.current_limit, ticket)
                async with self._lock:
                    successors = await self._set(wanted, lease, ticket)
            finally:
                if self._lowered_by is ticket:
                    self.state.limits.set(Source.COMMAND, None)
        executed = [await asyncio.shield(successor) for successor in successors]
        if not all(executed):
            await self.set(wanted, lease)

    async def _lower_at_once(self, limit: float | None, ticket: Ticket) -> None:
        """Apply a limit that is lower, and write it while others are executed."""
        connection = self.reconciler.connection
        present = self.state.limits.effective
        if present is None:
            present = self.link.settings.current_limit
        if limit is None or present is None or limit >= present:
            return
        # Otherwise another source could raise it again until it is confirmed.
        self.state.limits.set(Source.COMMAND, limit)
        self._lowered_by = ticket
        if self._lock.locked() and connection is not None:
            self._writer.interrupt.set()
            # Its turn comes, with an error if that fails as well.
            await self._try_to_limit(connection, limit)

    async def _try_to_limit(self, connection: Connection, limit: float) -> None:
        """Write a current limit, which the keep-alive tries again if it is lost."""
        try:
            await self._writer.send(connection, Setting.CURRENT_LIMIT, limit)
        except LinkError:
            self._writer.make_limit_due()
        self.keep_alive.update()

    async def _set(
        self, wanted: Settings, lease: Lease | None, ticket: Ticket
    ) -> list[Ticket]:
        """Execute a command; return the newer ones that replaced it."""
        connection = await self._ready()
        if wanted.phase_mode is not None:
            # Somebody else may have switched them.
            await connection.read_settings()
            await self.reconciler.observe(await self.link.observe())
        elif wanted.start_stop is not None:
            await self._observe_session()
        self.state.check_phase_budget(wanted.phase_mode, self._environment.now())
        successors: list[Ticket] = []
        for setting, value in plan.commands(wanted, self.link.settings):
            newer = self._queue.successor(ticket, setting)
            if newer is None:
                is_superseded = partial(self._queue.is_superseded, ticket, setting)
                outcome = await self._command(setting, value, lease, is_superseded)
                if outcome is Outcome.SUPERSEDED:
                    newer = self._queue.successor(ticket, setting)
                if (synced := self.reconciler.connection) is not None:
                    # Others may follow, over a slow network.
                    await self._writer.keep_alive(synced)
            if newer is not None:
                successors.append(newer)
        return successors

    async def _observe_session(self) -> None:
        """Read which session it is; START and STOP end with theirs.

        It may have changed since the last poll. A charger that refuses all reads can
        be stopped all the same.
        """
        for _ in range(SESSION_READS):
            with suppress(Refused):
                await self.reconciler.observe(await self.link.observe())
                return

    async def _ready(self) -> Connection:
        """Return a connection on which everything is restored; raises LinkError."""
        if self.keep_alive.is_stopped:
            raise LinkError("cannot_connect", "the charger was unloaded")
        connection = await self.reconciler.ready()
        # The charger may have another timeout than before.
        self.keep_alive.update()
        return connection

    async def _command(
        self,
        setting: Setting,
        value: Value,
        lease: Lease | None = None,
        is_superseded: Condition = lambda: False,
    ) -> Outcome:
        """Execute a command for one setting; raises CommandFailed and LinkError."""
        # The command before this one may have needed a new connection.
        connection = await self._ready()
        if isinstance(value, PhaseMode):
            # Restoring may have switched them.
            self.state.check_phase_budget(value, self._environment.now())
        written = value
        if setting is Setting.CURRENT_LIMIT and isinstance(value, int | float):
            written = self.state.limits.capped(value)
        command = Command(setting, value, lease, written, self.link.settings[setting])
        try:
            result = await self._execute(command, connection, is_superseded)
        except asyncio.CancelledError:
            # It may have been executed: that is read back next.
            self.reconciler.unverified = command
            self.reconciler.unsync()
            raise
        await self._conclude(command, result, connection)
        return result.outcome

    async def _execute(
        self, command: Command, connection: Connection, is_superseded: Condition
    ) -> Result:
        setting, value = command.setting, command.written
        for write in plan.before(self.state, setting, value, self.link.settings):
            result = await self._writer.send(connection, *write)
            if result.error is not None:
                return result
        if isinstance(value, PhaseMode) and value is not self.state.phases.seen:
            return await self.reconciler.switch_phases(connection, value, is_superseded)
        return await self._writer.write(connection, setting, value, is_superseded)

    async def _conclude(
        self, command: Command, result: Result, connection: Connection
    ) -> None:
        """Store what follows from a command, or raise CommandFailed."""
        setting, outcome, error = command.setting, result.outcome, result.error
        self.reconciler.unverified = command if outcome is Outcome.UNKNOWN else None
        if outcome is Outcome.SUPERSEDED:
            return
        if isinstance(command.value, StartStop) and outcome is not Outcome.UNKNOWN:
            if outcome is not Outcome.CONFIRMED and not isinstance(error, Lost):
                self.state.session.refused = command.value
                raise CommandFailed("start_stop_refused", setting=setting)
            self.state.session.refused = None
        is_limit = setting is Setting.CURRENT_LIMIT
        if outcome is Outcome.CONFIRMED:
            limits = self.state.limits
            is_rounded_up = is_limit and limits.step.observe(
                command.written, result.found, command.before
            )
            await self.reconciler.store(setting, command.value, command.lease)
            if is_rounded_up and limits.effective is not None:
                # Now rounded down.
                await self._try_to_limit(connection, limits.effective)
            return
        key = ERRORS[outcome]
        if outcome is Outcome.IGNORED and error is not None:
            key = "not_executed"
        if outcome is Outcome.REDUCED and result.found is not None:
            await self.reconciler.store(setting, result.found, command.lease)
        elif is_limit:
            # If the charger has more than was requested before, it must not stay.
            self._writer.make_limit_due()
            if error is None and is_lower(command.written, command.before):
                # A lower limit is the safe one: the keep-alive goes on writing it.
                await self.reconciler.store(setting, command.value, command.lease)
                self._writer.limit_written_at = clock()
                key = "not_lowered"
        values = (setting, command.written, result.found)
        raise CommandFailed(key, str(error or ""), *values) from error

    async def forget_start_stop(self) -> None:
        """Request neither START nor STOP any more; nothing is written."""
        async with self._lock:
            self.state.desired = self.state.desired.with_value(Setting.START_STOP, None)
            self.state.session.refused = None
            lost = self.reconciler.unverified
            if lost is not None and lost.setting is Setting.START_STOP:
                self.reconciler.unverified = None
            await self.reconciler.save()
        self._environment.notifier.updated(is_fresh=False)

    async def release(self, fallback_limit: float | None = None) -> None:
        """Write the fallback limit in A and clear all requested settings.

        Without a fallback limit, the present one is written again. Raises Rejected
        and CommandFailed, in which case control is not released.
        """
        limit = self.check(Settings(fallback_limit=fallback_limit)).fallback_limit
        with self._reported():
            async with self._lock:
                await self._ready()
                if limit is None:
                    limit = self.link.settings.fallback_limit
                    if limit is not None and limit < LEAST_CURRENT:
                        # Whatever it shows, the charger treats this as 0.
                        limit = 0.0
                if limit is not None:
                    await self._command(Setting.FALLBACK_LIMIT, limit)
                await self.reconciler.release()

    async def prepare_silence(
        self, seconds: float, *, force: bool, release: Callable[[], None]
    ) -> None:
        """Write what has to apply while the connection is released for some time.

        `release` releases it. While in control, that is allowed for as long as the
        fallback does not engage and no limit expires; Rejected is raised
        otherwise, unless it is forced. A limit that would expire is replaced by its
        safe limit before.
        """
        async with self._lock:
            try:
                if self.state.is_in_control:
                    await self._prepare_silence(seconds, force=force)
            except LinkError as error:
                # It may be forced because the charger cannot be reached.
                if not force or isinstance(error, Refused):
                    with self._reported():
                        raise
            release()

    async def _prepare_silence(self, seconds: float, *, force: bool) -> None:
        connection = await self._ready()
        timeout = self.link.settings.fallback_timeout
        most = self._environment.timing.longest_silence(timeout)
        if (lease := self.state.lease) is not None:
            now = self._environment.now()
            left = lease.remaining(now).total_seconds()
            most = min(most, left)
            if force and seconds > left:
                # It would expire while nobody can write the safe limit.
                lease.until = now
                await self.reconciler.expire()
        if seconds > most and not force:
            raise Rejected("in_control", seconds=max(0.0, most))
        limit = self.state.limits.effective
        assert limit is not None
        # The whole timeout counts from here.
        result = await self._writer.send(connection, Setting.CURRENT_LIMIT, limit)
        if result.error is not None:
            raise result.error

    async def try_limits(self) -> LimitTrial | Obstacle:
        """Step the current limit down and back; return what the charger made of it.

        Nothing is stored, and commands do not wait for it. Raises CommandFailed.
        """
        with self._reported():
            async with self._lock:
                if (reason := obstacle(self.state)) is not None:
                    return reason
                connection = await self._ready()
                with self._writer.trying_limit():
                    return await try_limits(
                        connection,
                        self.state,
                        self._writer,
                        lambda: self.keep_alive.is_stopped or not self._queue.is_empty,
                    )

    async def observe(self, observation: Observation) -> None:
        """Update from a poll, and restore what a reconnect may have lost."""
        await self.reconciler.observe(observation)
        if self._lock.locked():
            # Whoever holds it restores first, or the next poll does.
            return
        async with self._lock:
            if self.keep_alive.is_stopped:
                return
            try:
                connection = await self.reconciler.ready(patient=False, polled=True)
                await self.reconciler.retry_pending(connection)
            except LinkError as error:
                name = self._environment.notifier.name
                _LOGGER.debug("%s: not restored: %s", name, error)
        # Somebody else may have set another timeout.
        self.keep_alive.update()

    def as_dict(self) -> dict[str, Any]:
        """Return the state for diagnostics."""
        written_at = self._writer.limit_written_at
        lowest = self.state.limits.lowest
        return {
            **self.state.as_dict(),
            "state": self.reconciler.state,
            "is_in_control": self.state.is_in_control,
            "is_kept_alive": self.keep_alive.is_running,
            "effective_limit": None if lowest is None else lowest[0],
            "limited_by": None if lowest is None else lowest[1],
            "seconds_since_keep_alive": round(clock() - written_at, 1)
            if self._writer.has_written_limit and math.isfinite(written_at)
            else None,
        }
