"""Commands to one charger, and everything that keeps them in force."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
import logging
import math
from typing import Any, Final, NoReturn

from . import plan
from .environment import Environment
from .errors import CommandFailed, Rejected
from .keep_alive import KeepAlive
from .lease import Lease
from .limit_trial import LimitTrial, Obstacle, obstacle, try_limits
from .limits import Source
from .link import Connection, Link, LinkError, Lost, Observation, Refused
from .queue import CommandQueue, Ticket
from .reconciler import Reconciler, ReconcileState, Unverified
from .settings import LEAST_CURRENT, PhaseMode, Setting, Settings, StartStop, Value
from .state import ControlState
from .writer import Outcome, Result, Writer, nothing

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Consequence:
    """What follows from the outcome of a command."""

    error: str | None = None
    """Key of the error that is raised."""
    keeps_found: bool = False
    """Whether what the charger has becomes the desired value."""
    refunds_switch: bool = False
    """Whether a phase switch is given back, because it was not made."""


CONSEQUENCES: Final = {
    Outcome.CONFIRMED: Consequence(),
    Outcome.REDUCED: Consequence("clamped", keeps_found=True),
    Outcome.IGNORED: Consequence("not_taken"),
    Outcome.REFUSED: Consequence("refused", refunds_switch=True),
    Outcome.BUSY: Consequence("refused", refunds_switch=True),
    Outcome.UNKNOWN: Consequence("perhaps_executed"),
    Outcome.SUPERSEDED: Consequence(),
}


def _is_lowered(value: Value, before: Value | None) -> bool:
    return before is None or (
        isinstance(value, int | float)
        and isinstance(before, int | float)
        and value < before
    )


class Controller:
    """Control of one charger.

    One command after the other has the lock, and whoever has it is the only one to
    write, except for a limit that is lowered (see `set`).
    """

    def __init__(self, link: Link, environment: Environment) -> None:
        """Initialize without a desired state; see `load`."""
        self._link = link
        self._environment = environment
        self._notifier = environment.notifier
        self._lock = asyncio.Lock()
        self._queue = CommandQueue()
        self._lowered_by: Ticket | None = None
        """The command whose limit is in force before its turn."""
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self.load(ControlState())

    def load(self, state: ControlState) -> None:
        """Start with a stored state, before anything is commanded."""
        link, environment = self._link, self._environment
        self.state = state
        self._writer = Writer(link, environment)
        self._reconciler = Reconciler(link, state, self._writer, environment)
        self._keep_alive = KeepAlive(
            link, state, self._writer, self._reconciler, environment, self._lock
        )

    async def start(self) -> None:
        """Begin to keep the desired state alive."""
        if await self._reconciler.expire():
            # It is restored with the rest.
            self._writer.limit_written_at = self._environment.clock()
        self._update_task()

    def _update_task(self) -> None:
        """Run the keep-alive while in control."""
        self._keep_alive.wake()
        if self._is_stopped or not self.state.is_in_control:
            if self._task is not None:
                self._task.cancel()
                self._task = None
        elif self._task is None or self._task.done():
            self._task = self._environment.start(self._keep_alive.run())

    def stop(self) -> None:
        """Stop writing, except for the command that is executed now."""
        self._is_stopped = True
        self._update_task()

    async def finish(self) -> None:
        """Stop, and wait for the command that is executed now."""
        self.stop()
        async with self._lock:
            pass

    @property
    def is_kept_alive(self) -> bool:
        """Return whether the current limit is written again and again."""
        return self._task is not None and not self._task.done()

    @property
    def reconcile_state(self) -> ReconcileState:
        """Return whether the charger has its desired state."""
        return self._reconciler.state

    @property
    def has_unexpected_fallback(self) -> bool:
        """Return whether the fallback engaged in the last hour in spite of control."""
        return self._reconciler.has_unexpected_fallback

    @property
    def refuses_start_stop(self) -> bool:
        """Return whether the charger refused START or STOP."""
        return self._reconciler.refuses_start_stop(self._link.settings)

    @property
    def found(self) -> Settings:
        """Return the charger's settings as they were last read."""
        return self._link.settings

    @property
    def wanted(self) -> Settings:
        """Return what was requested, and the charger's settings where nothing was."""
        return self.state.desired.over(self._link.settings)

    @property
    def next_phase_switch(self) -> datetime | None:
        """Return from when the phases may be switched, None when they may now.

        Also None when the budget of the session is used up.
        """
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
        for setting, _ in wanted:
            if setting not in self._link.capabilities:
                raise Rejected("not_supported")
        self.state.check(wanted, None if lease is None else lease.safe_limit)
        return wanted

    def set_limit(self, source: str, limit: float | None) -> None:
        """Set or remove the current limit of another source than the user.

        In A. It is written at once, and not stored.
        """
        before = self.state.limits.effective
        self.state.limits.set(source, limit)
        if self.state.limits.effective != before:
            self._writer.limit_written_at = -math.inf
            self._update_task()

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
        successors: list[Ticket] = []
        with self._queue.enter(wanted) as ticket:
            try:
                await self._lower_at_once(wanted.current_limit, ticket)
                async with self._lock:
                    await self._set(wanted, lease, ticket, successors)
            finally:
                if self._lowered_by is ticket:
                    self.state.limits.set(Source.COMMAND, None)
                self._update_task()
                self._notifier.updated(is_fresh=False)
        executed = [await asyncio.shield(successor.done) for successor in successors]
        if not all(executed):
            await self.set(wanted, lease)

    async def _lower_at_once(self, limit: float | None, ticket: Ticket) -> None:
        connection = self._reconciler.connection
        present = self.state.limits.effective
        if present is None:
            present = self._link.settings.current_limit
        if (
            limit is None
            or present is None
            or limit >= present
            or not self._lock.locked()
            or connection is None
        ):
            return
        self.state.limits.set(Source.COMMAND, limit)
        self._lowered_by = ticket
        self._writer.interrupt.set()
        try:
            await self._writer.send(connection, Setting.CURRENT_LIMIT, limit)
        except LinkError:
            # Its turn comes, with an error if that fails as well.
            self._writer.limit_written_at = -math.inf

    async def _set(
        self,
        wanted: Settings,
        lease: Lease | None,
        ticket: Ticket,
        successors: list[Ticket],
    ) -> None:
        await self._prepare(wanted)
        self.state.check_phase_budget(wanted.phase_mode, self._environment.now())
        for setting, value in plan.commands(wanted, self._link.settings):
            if (successor := self._queue.successor(ticket, setting)) is not None:
                successors.append(successor)
                continue
            result = await self._command(
                setting,
                value,
                lease,
                partial(self._queue.is_superseded, ticket, setting),
            )
            if result.outcome is Outcome.SUPERSEDED:
                newer = self._queue.successor(ticket, setting)
                successors += [] if newer is None else [newer]
            # Others may follow, over a slow network.
            await self._keep_alive.write_meanwhile()

    async def _prepare(self, wanted: Settings) -> None:
        """Restore first, and read the phases before a switch of them."""
        try:
            connection = await self._ready()
            if wanted.phase_mode is not None:
                await connection.read_settings()
                if self._reconciler.observe(await self._link.observe()):
                    await self._reconciler.save()
        except LinkError as error:
            raise CommandFailed(error.key, str(error)) from error

    async def _ready(self) -> Connection:
        if self._is_stopped:
            raise LinkError("cannot_connect", "the charger was unloaded")
        connection = await self._reconciler.ready()
        # The charger may have another timeout than before.
        self._update_task()
        return connection

    async def _command(
        self,
        setting: Setting,
        value: Value,
        lease: Lease | None,
        is_superseded: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Execute a command for one setting; raises CommandFailed."""
        try:
            # The command before this one may have needed a new connection.
            connection = await self._ready()
            if isinstance(value, PhaseMode):
                # Restoring may have switched them.
                self.state.check_phase_budget(value, self._environment.now())
            written = value
            if setting is Setting.CURRENT_LIMIT and isinstance(value, int | float):
                written = self.state.limits.capped(value)
            command = Unverified(setting, value, written, lease)
            before = self._link.settings[setting]
            try:
                result = await self._execute(command, connection, is_superseded)
            except asyncio.CancelledError:
                # It may have been executed: that is read back next.
                self._reconciler.unverified = command
                self._reconciler.unsync()
                raise
        except LinkError as error:
            raise CommandFailed(error.key, str(error)) from error
        await self._conclude(command, result, connection, before)
        return result

    async def _execute(
        self,
        command: Unverified,
        connection: Connection,
        is_superseded: Callable[[], bool],
    ) -> Result:
        setting, value = command.setting, command.written
        for first, first_value in plan.before(
            self.state, setting, value, self._link.settings
        ):
            result = await self._writer.send(connection, first, first_value)
            if result.error is not None:
                return result
        is_switch = (
            setting is Setting.PHASE_MODE and value is not self.state.phases.seen
        )
        if is_switch:
            await self._reconciler.count_switch(connection)
        is_limit = setting is Setting.CURRENT_LIMIT
        result = await self._writer.write(
            connection,
            setting,
            value,
            is_superseded=is_superseded,
            # The keep-alive does not wait for a charger that takes its time.
            meanwhile=nothing if is_limit else self._keep_alive.write_meanwhile,
        )
        if is_switch and CONSEQUENCES[result.outcome].refunds_switch:
            await self._reconciler.refund_switch()
        return result

    async def _conclude(
        self,
        command: Unverified,
        result: Result,
        connection: Connection,
        before: Value | None,
    ) -> None:
        """Store what follows from a command, or raise CommandFailed.

        `before` is the value that the charger had.
        """
        setting, consequence = command.setting, CONSEQUENCES[result.outcome]
        is_unknown = result.outcome is Outcome.UNKNOWN
        self._reconciler.unverified = command if is_unknown else None
        is_superseded = result.outcome is Outcome.SUPERSEDED
        if isinstance(command.value, StartStop) and not (is_unknown or is_superseded):
            is_confirmed = result.outcome is Outcome.CONFIRMED
            if not is_confirmed and not isinstance(result.error, Lost):
                self._reconciler.start_stop_answered(
                    command.value, connection, is_refused=True
                )
                raise CommandFailed("start_stop_refused", setting=setting)
            self._reconciler.start_stop_answered(
                command.value, connection, is_refused=False
            )
        if consequence.error is None:
            if result.outcome is Outcome.CONFIRMED:
                is_rounded_up = self._learn_step(command, result, before)
                self.state.confirm(setting, command.value, command.lease)
                await self._reconciler.save()
                if is_rounded_up:
                    await self._lower_to_step(connection)
            return
        if consequence.keeps_found and result.found is not None:
            self.state.confirm(setting, result.found, command.lease)
            await self._reconciler.save()
        elif setting is Setting.CURRENT_LIMIT:
            # If the charger has more than was requested before, it must not stay.
            self._writer.limit_written_at = -math.inf
            if _is_lowered(command.written, before) and result.error is None:
                # A lower limit is the safe one: the keep-alive goes on writing it.
                self.state.confirm(setting, command.value, command.lease)
                await self._reconciler.save()
                self._writer.limit_written_at = self._environment.clock()
                self._fail(command, result, "not_lowered")
        self._fail(command, result, consequence.error)

    def _learn_step(
        self, command: Unverified, result: Result, before: Value | None
    ) -> bool:
        """Learn how the charger rounds; return whether it rounded up."""
        if (
            command.setting is not Setting.CURRENT_LIMIT
            or not isinstance(command.written, int | float)
            or not isinstance(result.found, int | float)
        ):
            return False
        known = before if isinstance(before, int | float) else None
        return self.state.limits.step.observe(command.written, result.found, known)

    async def _lower_to_step(self, connection: Connection) -> None:
        """Write a limit again that the charger rounded up, now rounded down."""
        limit = self.state.limits.effective
        assert limit is not None
        try:
            await self._writer.send(connection, Setting.CURRENT_LIMIT, limit)
        except LinkError:
            self._writer.limit_written_at = -math.inf

    def _fail(self, command: Unverified, result: Result, key: str) -> NoReturn:
        if result.outcome is Outcome.IGNORED and result.error is not None:
            key = "not_executed"
        raise CommandFailed(
            key,
            "" if result.error is None else str(result.error),
            setting=command.setting,
            wanted=command.written,
            found=result.found,
        ) from result.error

    async def release(self, fallback_limit: float | None = None) -> None:
        """Write the fallback limit in A and clear all requested settings.

        Without a fallback limit, the present one is written again. Raises Rejected
        and CommandFailed, in which case control is not released.
        """
        wanted = self.check(Settings(fallback_limit=fallback_limit))
        try:
            async with self._lock:
                await self._prepare(wanted)
                limit = wanted.fallback_limit
                if limit is None:
                    limit = self._link.settings.fallback_limit
                    if limit is not None and limit < LEAST_CURRENT:
                        # Whatever it shows, the charger treats this as 0.
                        limit = 0.0
                if limit is not None:
                    await self._command(Setting.FALLBACK_LIMIT, limit, None)
                self.state.release()
                self._reconciler.clear()
                await self._reconciler.save()
        finally:
            self._update_task()
            self._notifier.updated(is_fresh=False)

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
            if self.state.is_in_control:
                try:
                    await self._prepare_silence(seconds, force=force)
                except LinkError as error:
                    # It may be forced because the charger cannot be reached.
                    if not force or isinstance(error, Refused):
                        self._update_task()
                        self._notifier.updated(is_fresh=False)
                        raise CommandFailed(error.key, str(error)) from error
            release()

    async def _prepare_silence(self, seconds: float, *, force: bool) -> None:
        connection = await self._ready()
        most = self._environment.timing.longest_silence(
            self._link.settings.fallback_timeout
        )
        if (lease := self.state.lease) is not None:
            now = self._environment.now()
            left = lease.remaining(now).total_seconds()
            most = min(most, left)
            if force and seconds > left:
                # It would expire while nobody can write the safe limit.
                lease.until = now
                await self._reconciler.expire()
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
        async with self._lock:
            if (reason := obstacle(self.state)) is not None:
                return reason
            try:
                return await try_limits(
                    await self._ready(),
                    self.state,
                    self._writer,
                    self._environment,
                    lambda: self._is_stopped or not self._queue.is_empty,
                )
            except LinkError as error:
                raise CommandFailed(error.key, str(error)) from error
            finally:
                self._update_task()
                self._notifier.updated(is_fresh=False)

    async def observe(self, observation: Observation) -> None:
        """Update from a poll, and restore what a reconnect may have lost."""
        if self._reconciler.observe(observation):
            await self._reconciler.save()
        if self._lock.locked():
            # Whoever holds it restores first, or the next poll does.
            return
        async with self._lock:
            if self._is_stopped:
                return
            try:
                connection = await self._reconciler.ready(patient=False, polled=True)
                await self._reconciler.retry_pending(connection)
            except LinkError as error:
                _LOGGER.debug("%s: not restored: %s", self._notifier.name, error)
        # Somebody else may have set another timeout.
        self._update_task()

    def as_dict(self) -> dict[str, Any]:
        """Return the state for diagnostics."""
        written_at = self._writer.limit_written_at
        lowest = self.state.limits.lowest
        return {
            **self.state.as_dict(),
            "state": self._reconciler.state,
            "is_in_control": self.state.is_in_control,
            "is_kept_alive": self.is_kept_alive,
            "effective_limit": None if lowest is None else lowest[0],
            "limited_by": None if lowest is None else lowest[1],
            "seconds_since_keep_alive": round(self._environment.clock() - written_at, 1)
            if self._writer.has_written_limit and math.isfinite(written_at)
            else None,
        }
