"""Bring a charger to its desired state after each connect."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
import logging
import math
from typing import Final

from . import plan
from .environment import Environment
from .fallback import Fallback
from .lease import Lease
from .link import Connection, Link, Observation
from .plan import Write
from .settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
    agrees,
    is_accepted,
)
from .state import ControlState
from .writer import Outcome, Writer

_LOGGER = logging.getLogger(__name__)


class ReconcileState(StrEnum):
    """Whether the charger has its desired state."""

    UNSYNCED = "unsynced"
    """There is no connection on which it was restored."""
    VERIFYING = "verifying"
    """Finding out what became of a command whose answer was lost."""
    RESTORING = "restoring"
    """Writing what the charger may have lost."""
    SYNCED = "synced"
    PENDING = "pending"
    """Restored, except for what the charger or the phase budget did not allow yet."""


TRANSITIONS: Final[Mapping[ReconcileState, Mapping[ReconcileState, str]]] = {
    ReconcileState.UNSYNCED: {
        ReconcileState.VERIFYING: "connected, a command is unverified",
        ReconcileState.RESTORING: "connected",
    },
    ReconcileState.VERIFYING: {
        ReconcileState.RESTORING: "read back",
        ReconcileState.UNSYNCED: "connection lost",
    },
    ReconcileState.RESTORING: {
        ReconcileState.SYNCED: "everything written",
        ReconcileState.PENDING: "something not accepted yet",
        ReconcileState.UNSYNCED: "connection lost",
    },
    ReconcileState.SYNCED: {
        ReconcileState.UNSYNCED: "connection lost, or a command cancelled",
    },
    ReconcileState.PENDING: {
        ReconcileState.SYNCED: "accepted at a later poll",
        ReconcileState.UNSYNCED: "connection lost, or a command cancelled",
    },
}
"""What leads from one state to the next."""


@dataclass(frozen=True)
class Unverified:
    """A command whose effect is unknown."""

    setting: Setting
    value: Value
    written: Value
    lease: Lease | None


@dataclass(frozen=True)
class Refusal:
    """START or STOP that was refused, and in which session and connection."""

    command: StartStop
    session: int
    connection: Connection | None


class Reconciler:
    """Connect, verify, restore, and retry what is pending."""

    def __init__(
        self,
        link: Link,
        state: ControlState,
        writer: Writer,
        environment: Environment,
    ) -> None:
        """Initialize without a connection."""
        self._link = link
        self._state = state
        self._writer = writer
        self._environment = environment
        self._notifier = environment.notifier
        self._timing = environment.timing
        self._clock = environment.clock
        self._now = environment.now
        self._synced_on: Connection | None = None
        self._pending: set[Setting] = set()
        self._retries = 0
        self._retry_at = 0.0
        self._phases_retry_at = 0.0
        self._refusal: Refusal | None = None
        self._fallback = Fallback()
        self.state = ReconcileState.UNSYNCED
        self.unverified: Unverified | None = None

    async def save(self) -> None:
        """Store the state."""
        await self._environment.save(self._state.as_dict())

    def _enter(self, state: ReconcileState) -> None:
        if state is not self.state:
            assert state in TRANSITIONS[self.state], (self.state, state)
            self.state = state

    @property
    def connection(self) -> Connection | None:
        """Return the connection on which the desired state was restored."""
        connection = self._synced_on
        return None if connection is None or connection.is_over else connection

    def unsync(self) -> None:
        """Restore the desired state before anything else is written."""
        self._synced_on = None
        self._enter(ReconcileState.UNSYNCED)

    def clear(self) -> None:
        """Clear what was known of earlier commands, when control is released."""
        self.unverified = None
        self._refusal = None
        self._pending.clear()
        if self.state is ReconcileState.PENDING:
            self._enter(ReconcileState.SYNCED)

    async def ready(self, *, patient: bool = True, polled: bool = False) -> Connection:
        """Return a connection on which the desired state was restored.

        Raises LinkError. What was read for it is published, unless a poll does so.
        """
        connection = await self._link.connect(patient=patient)
        if connection is not self._synced_on:
            self.unsync()
            try:
                was_read = await self._reconcile(connection)
            except BaseException:
                # Also when it is cancelled: it is not known what was written.
                self._enter(ReconcileState.UNSYNCED)
                raise
            if was_read and not polled:
                self._notifier.updated(is_fresh=True)
        return connection

    async def _reconcile(self, connection: Connection) -> bool:
        """Verify and restore; return whether the charger was read for it."""
        if self.unverified is not None:
            self._enter(ReconcileState.VERIFYING)
            await self._verify(connection, self.unverified)
        self._enter(ReconcileState.RESTORING)
        self._pending.clear()
        self._retries = 0
        was_read = bool(self._state.desired) or self._state.is_in_control
        if was_read:
            await self._restore(connection)
        self._synced_on = connection
        self._enter_synced()
        return was_read

    def _enter_synced(self) -> None:
        is_pending = bool(self._pending) or self._state.phases.is_awaited
        self._enter(ReconcileState.PENDING if is_pending else ReconcileState.SYNCED)

    async def _verify(self, connection: Connection, lost: Unverified) -> None:
        found = await self._writer.read_back(connection, lost.setting, lost.written)
        if agrees(found, lost.written):
            self._state.confirm(lost.setting, lost.value, lost.lease)
            await self.save()
        self.unverified = None

    async def _restore(self, connection: Connection) -> None:
        observation = await self._link.observe()
        await self.expire()
        # Whether it is still the same session has to be known before.
        if self.observe(observation, at_once=True):
            await self.save()
        if Setting.PHASE_MODE in self._link.capabilities:
            self._state.phases.await_mode(
                self._link.settings.phase_mode, self._state.desired.phase_mode
            )
        await self._carry_out(
            plan.restoration(
                self._state,
                self._link.settings,
                self._now(),
                self._link.capabilities,
            ),
            connection,
            is_first=True,
        )
        if self._state.phases.is_held and self._state.is_in_control:
            self._notifier.warn("limited to 6 A until its phase mode may be restored")
        # What is published next is what the charger has after that.
        await connection.read_settings()

    async def retry_pending(self, connection: Connection) -> None:
        """Try again what was not accepted, slower each time; raises LinkError."""
        now = self._now()
        may_restore_phases = (
            self._state.phases.may_restore(now)
            and self._clock() >= self._phases_retry_at
        )
        if may_restore_phases and not self._pending:
            writes = plan.phase_restoration(self._state, now)
        elif self._pending and self._clock() >= self._retry_at:
            writes = plan.restoration(
                self._state, self._link.settings, now, self._link.capabilities
            )
            self._pending &= {setting for setting, _ in writes}
            # The limit is written with them, because most have to follow it.
            again = {*self._pending, Setting.CURRENT_LIMIT} if self._pending else set()
            writes = [write for write in writes if write[0] in again]
        else:
            writes = []
        if writes:
            await self._carry_out(writes, connection, is_first=False)
        self._enter_synced()

    async def _carry_out(
        self, writes: list[Write], connection: Connection, *, is_first: bool
    ) -> None:
        """Write what restores the desired state, as far as the charger accepts it."""
        present = self._link.settings
        done: list[Write] = []
        has_limit = True
        for setting, value in writes:
            self._pending.discard(setting)
            if not has_limit and setting in plan.AFTER_LIMIT:
                self._pending.add(setting)
                continue
            if (
                setting is Setting.START_STOP
                and value != self._state.desired.start_stop
            ):
                # Its session was seen to end meanwhile.
                continue
            value_now = self._limit_now(setting, value)
            outcome = await self._restore_one(setting, value_now, connection)
            if outcome is Outcome.CONFIRMED:
                done.append((setting, value_now))
                continue
            self._not_restored(setting, outcome, is_first=is_first)
            if setting is Setting.CURRENT_LIMIT:
                has_limit = False
        # A charger that ignores START or STOP is not waited for before it has
        # its limit.
        for setting, value in done.copy():
            if setting is Setting.START_STOP and isinstance(value, StartStop):
                found = await self._writer.read_back(connection, setting, value)
                if found == value:
                    self._refusal = None
                else:
                    done.remove((setting, value))
                    self._refuse(value, connection)
        self._report(done, present, is_first=is_first)
        self._schedule_retry()

    def _limit_now(self, setting: Setting, value: Value) -> Value:
        """Return the current limit as it is held now, not when it was planned."""
        limit = self._state.limits.effective
        is_limit = setting is Setting.CURRENT_LIMIT and limit is not None
        return limit if is_limit and limit is not None else value

    async def _restore_one(
        self, setting: Setting, value: Value, connection: Connection
    ) -> Outcome:
        if setting is not Setting.PHASE_MODE or not isinstance(value, PhaseMode):
            return (await self._writer.send(connection, setting, value)).outcome
        await self.count_switch(connection)
        result = await self._writer.write(connection, setting, value)
        if result.outcome in (Outcome.REFUSED, Outcome.BUSY):
            await self.refund_switch()
        elif result.error is not None:
            # The connection was replaced.
            raise result.error
        if result.outcome is not Outcome.BUSY:
            found = result.found if isinstance(result.found, PhaseMode) else None
            self._state.phases.attempted(found, self._state.desired.phase_mode)
            self._phases_retry_at = self._clock() + self._timing.retry_phases
        return result.outcome

    def _not_restored(
        self, setting: Setting, outcome: Outcome, *, is_first: bool
    ) -> None:
        is_busy = outcome is Outcome.BUSY
        _LOGGER.log(
            logging.WARNING if is_first and not is_busy else logging.DEBUG,
            "%s: %s was not restored: %s",
            self._notifier.name,
            setting,
            outcome,
        )
        if setting is Setting.CURRENT_LIMIT:
            # The keep-alive tries it again soon.
            self._writer.limit_written_at = -math.inf
            return
        if is_busy or setting is not Setting.PHASE_MODE:
            self._pending.add(setting)
        if (
            not is_busy
            and setting is Setting.START_STOP
            and self._state.desired.start_stop
        ):
            self._refuse(self._state.desired.start_stop, self._synced_on)

    def _schedule_retry(self) -> None:
        waits = self._timing.retry_restoration
        self._retry_at = self._clock() + waits[min(self._retries, len(waits) - 1)]
        self._retries += 1

    def _report(self, done: list[Write], present: Settings, *, is_first: bool) -> None:
        """Report the settings that were restored to another value."""
        restored = list(
            dict.fromkeys(
                setting
                for setting, value in done
                if not agrees(present[setting], value)
                # What goes with the rest was reported when it was lost.
                and (is_first or setting is not Setting.CURRENT_LIMIT)
                # Held down, it is not restored.
                and (
                    setting is not Setting.CURRENT_LIMIT
                    or is_accepted(setting, self._state.desired[setting], value)
                )
            )
        )
        if restored:
            self._notifier.restored(restored)

    async def count_switch(self, connection: Connection) -> None:
        """Count a switch of the phases, and store that, before it is written."""
        await connection.check_writable()
        self._state.phases.budget.record(
            self._now(), in_session=self._state.session.is_open
        )
        await self.save()

    async def refund_switch(self) -> None:
        """Give back a switch that the charger definitely refused."""
        self._state.phases.budget.refund()
        await self.save()

    def _refuse(self, command: StartStop, connection: Connection | None) -> None:
        self._refusal = Refusal(command, self._state.session.number, connection)

    def start_stop_answered(
        self, command: StartStop, connection: Connection, *, is_refused: bool
    ) -> None:
        """Record whether the charger refused START or STOP."""
        if is_refused:
            self._refuse(command, connection)
        else:
            self._refusal = None

    def refuses_start_stop(self, found: Settings) -> bool:
        """Return whether the charger refused START or STOP.

        That ends when the charger shows what was requested, when another START or
        STOP is obeyed, and with the session, the connection or control.
        """
        refusal = self._refusal
        return (
            refusal is not None
            and refusal.command is not found.start_stop
            and refusal.session == self._state.session.number
            and refusal.connection in (None, self._synced_on)
        )

    def observe(self, observation: Observation, *, at_once: bool = False) -> bool:
        """Update from what was read; return whether what is stored changed."""
        self._observe_fallback(observation)
        lost = self.unverified
        phases_settled = self._clock() >= self._writer.phases_settle_at and (
            lost is None or lost.setting is not Setting.PHASE_MODE
        )
        return self._state.observe(
            observation, self._now(), phases_settled=phases_settled, at_once=at_once
        )

    def _observe_fallback(self, observation: Observation) -> None:
        was_active = self._fallback.is_active
        self._fallback.observe(
            observation.is_fallback_active,
            self._clock(),
            written_at=self._writer.limit_written_at
            if self._writer.has_written_limit
            else None,
            timeout=observation.settings.fallback_timeout,
        )
        # After a start it is news only if it ended our control.
        is_news = was_active is False or (
            was_active is None and self._state.is_in_control
        )
        if self._fallback.is_active and is_news:
            self._notifier.fallback_engaged()

    @property
    def has_unexpected_fallback(self) -> bool:
        """Return whether the fallback engaged in the last hour in spite of control."""
        is_unexpected = self._fallback.was_unexpected(self._clock())
        return self._state.is_in_control and is_unexpected

    async def expire(self) -> bool:
        """Replace a limit that was not renewed in time; return whether it was."""
        if not self._state.expire(self._now()):
            return False
        self._writer.limit_written_at = -math.inf
        await self.save()
        limit = self._state.limits.effective
        self._notifier.limit_expired(self._state.desired.current_limit or 0.0)
        _LOGGER.info("%s: limit expired, now %s A", self._notifier.name, limit)
        return True
