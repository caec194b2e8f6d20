"""Bring a charger to its desired state after each connect."""

from dataclasses import dataclass, field
from enum import StrEnum
import logging
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
from .timing import clock
from .writer import NOT_EXECUTED, Condition, Outcome, Result, Writer

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


UNSYNCED, VERIFYING, RESTORING, SYNCED, PENDING = ReconcileState

TRANSITIONS: Final = {
    (UNSYNCED, VERIFYING): "connected, a command is unverified",
    (UNSYNCED, RESTORING): "connected",
    (VERIFYING, RESTORING): "read back",
    (VERIFYING, UNSYNCED): "connection lost",
    (RESTORING, SYNCED): "everything written",
    (RESTORING, PENDING): "something not accepted yet",
    (RESTORING, UNSYNCED): "connection lost",
    (SYNCED, PENDING): "the phase mode that was requested has to return",
    (SYNCED, UNSYNCED): "connection lost, or a command cancelled",
    (PENDING, SYNCED): "accepted at a later poll",
    (PENDING, UNSYNCED): "connection lost, or a command cancelled",
}
"""What leads from one state to the next."""


@dataclass(frozen=True)
class Command:
    """A command for one setting."""

    setting: Setting
    value: Value
    lease: Lease | None
    written: Value
    """What is written for it, which other limits may lower."""
    before: Value | None
    """What the charger had."""


@dataclass(eq=False)
class Reconciler:
    """Connect, verify, restore, and retry what is pending."""

    environment: Environment
    link: Link
    control: ControlState
    writer: Writer
    unverified: Command | None = None
    """A command whose effect is unknown."""
    _state: ReconcileState = UNSYNCED
    _fallback: Fallback = field(default_factory=Fallback)
    _synced_on: Connection | None = None
    _pending: set[Setting] = field(default_factory=set)
    _retries: int = 0
    _retry_at: float = 0.0
    _phases_retry_at: float = 0.0

    @property
    def state(self) -> ReconcileState:
        """Return whether the charger has its desired state."""
        is_lost = self._synced_on is not None and self._synced_on.is_over
        return UNSYNCED if is_lost else self._state

    @property
    def is_pending(self) -> bool:
        """Return whether the charger has not accepted all of its desired state."""
        return bool(self._pending) or self.control.phases.is_awaited

    async def ready(self, *, patient: bool = True, polled: bool = False) -> Connection:
        """Return a connection on which the desired state was restored.

        Raises LinkError. What was read for it is published, unless a poll does so.
        """
        connection = await self.link.connect(patient=patient)
        if connection is not self._synced_on:
            self.unsync()
            try:
                was_read = await self._reconcile(connection)
            except BaseException:
                # Also when it is cancelled: it is not known what was written.
                self.unsync()
                raise
            if was_read and not polled:
                self.environment.notifier.updated(is_fresh=True)
        return connection

    async def _reconcile(self, connection: Connection) -> bool:
        """Verify and restore; return whether the charger was read for it."""
        if self.unverified is not None:
            self._enter(VERIFYING)
            await self._verify(connection, self.unverified)
        self._enter(RESTORING)
        self._pending.clear()
        self._retries = 0
        was_read = (
            bool(self.control.desired)
            or self.control.is_in_control
            or self.control.wanted_phase_mode is not None
        )
        if was_read:
            await self._restore(connection)
        self._synced_on = connection
        self._enter_synced()
        return was_read

    async def _verify(self, connection: Connection, lost: Command) -> None:
        found = await self.writer.verify(connection, lost.setting, lost.written)
        if agrees(found, lost.written):
            await self.store(lost.setting, lost.value, lost.lease)
        self.unverified = None

    async def _restore(self, connection: Connection) -> None:
        control, capabilities = self.control, self.link.capabilities
        observation = await self.link.observe()
        await self.expire()
        # Whether it is still the same session has to be known before.
        await self.observe(observation, at_once=True)
        found = self.link.settings
        if Setting.PHASE_MODE in capabilities:
            control.phases.await_mode(found.phase_mode, control.wanted_phase_mode)
        now = self.environment.now()
        may_switch = clock() >= self._phases_retry_at
        writes = plan.restoration(
            control, found, now, capabilities, may_switch=may_switch
        )
        await self._carry_out(writes, connection)
        if control.phases.is_held and control.is_in_control:
            text = "limited to 6 A until its phase mode may be restored"
            self.environment.notifier.warn(text)
        # What is published next is what the charger has after that.
        await connection.read_settings()

    async def retry_pending(self, connection: Connection) -> None:
        """Try again what was not accepted, slower each time; raises LinkError."""
        if self.is_pending:
            may_switch = clock() >= self._phases_retry_at
            writes = plan.restoration(
                self.control,
                self.link.settings,
                self.environment.now(),
                self.link.capabilities,
                may_switch=may_switch,
            )
            if not self.writer.is_limit_due:
                # The keep-alive has written it.
                self._pending.discard(Setting.CURRENT_LIMIT)
            self._pending &= {setting for setting, _ in writes}
            again = set()
            if clock() >= self._retry_at:
                again = self._pending - {Setting.CURRENT_LIMIT}
            if may_switch and Setting.PHASE_MODE not in self._pending:
                again.add(Setting.PHASE_MODE)
            if any(setting in again for setting, _ in writes):
                # The limit is written with them, because most have to follow it.
                again.add(Setting.CURRENT_LIMIT)
                writes = [write for write in writes if write[0] in again]
                await self._carry_out(writes, connection)
        self._enter_synced()

    async def _carry_out(self, writes: list[Write], connection: Connection) -> None:
        """Write what restores the desired state, as far as the charger accepts it."""
        present, limits = self.link.settings, self.control.limits
        done: list[Write] = []
        has_limit = True
        for setting, planned in writes:
            value = planned
            self._pending.discard(setting)
            if not has_limit and setting in plan.AFTER_LIMIT:
                self._pending.add(setting)
                continue
            if setting is Setting.CURRENT_LIMIT and limits.effective is not None:
                # As it is held now, not when it was planned.
                value = limits.effective
            elif (
                setting is Setting.START_STOP
                and value is not self.control.desired.start_stop
            ):
                # Its session was seen to end meanwhile.
                continue
            outcome = await self._restore_one(setting, value, connection)
            if outcome is Outcome.CONFIRMED:
                done.append((setting, value))
                continue
            self._not_restored(setting, outcome)
            has_limit &= setting is not Setting.CURRENT_LIMIT
        # A charger that ignores START or STOP is waited for once it has its limit.
        for setting, value in done.copy():
            if isinstance(value, StartStop):
                if await self.writer.verify(connection, setting, value) == value:
                    self.control.session.refused = None
                else:
                    done.remove((setting, value))
                    self.control.session.refused = value
        self._report(done, present)
        waits = self.environment.timing.retry_restoration
        self._retry_at = clock() + waits[min(self._retries, len(waits) - 1)]
        self._retries += 1

    async def _restore_one(
        self, setting: Setting, value: Value, connection: Connection
    ) -> Outcome:
        if not isinstance(value, PhaseMode):
            return (await self.writer.send(connection, setting, value)).outcome
        result = await self.switch_phases(connection, value)
        if result.error is not None and result.outcome not in NOT_EXECUTED:
            # The connection was replaced.
            raise result.error
        if result.outcome is not Outcome.BUSY:
            found = result.found if isinstance(result.found, PhaseMode) else None
            self.control.phases.attempted(found, self.control.wanted_phase_mode)
            self._phases_retry_at = clock() + self.environment.timing.retry_phases
            await self.save()
        return result.outcome

    def _not_restored(self, setting: Setting, outcome: Outcome) -> None:
        is_busy = outcome is Outcome.BUSY
        _LOGGER.log(
            logging.WARNING
            if self._state is RESTORING and not is_busy
            else logging.DEBUG,
            "%s: %s was not restored: %s",
            self.environment.notifier.name,
            setting,
            outcome,
        )
        if setting is Setting.CURRENT_LIMIT:
            # The keep-alive tries it again soon.
            self.writer.make_limit_due()
        if is_busy or setting is not Setting.PHASE_MODE:
            self._pending.add(setting)
        if setting is Setting.START_STOP and not is_busy:
            self.control.session.refused = self.control.desired.start_stop

    def _report(self, done: list[Write], present: Settings) -> None:
        """Report the settings that were restored to another value."""
        limit = self.control.desired.current_limit
        restored = dict.fromkeys(
            setting
            for setting, value in done
            if not agrees(present[setting], value)
            # A limit that goes with the rest was reported when it was lost, and one
            # that is held down is not restored.
            and (
                setting is not Setting.CURRENT_LIMIT
                or (self._state is RESTORING and is_accepted(setting, limit, value))
            )
        )
        if restored:
            self.environment.notifier.restored(list(restored))

    @property
    def connection(self) -> Connection | None:
        """Return the connection on which the desired state was restored."""
        connection = self._synced_on
        return None if connection is None or connection.is_over else connection

    def unsync(self) -> None:
        """Restore the desired state before anything else is written."""
        self._synced_on = self.control.session.refused = None
        self._enter(UNSYNCED)

    def _enter_synced(self) -> None:
        self._enter(PENDING if self.is_pending else SYNCED)

    def _enter(self, state: ReconcileState) -> None:
        if state is not self._state:
            assert (self._state, state) in TRANSITIONS, (self._state, state)
            self._state = state

    async def store(
        self, setting: Setting, value: Value, lease: Lease | None = None
    ) -> None:
        """Make a value the desired one, and store it."""
        self.control.confirm(setting, value, lease)
        await self.save()

    async def save(self) -> None:
        """Store the state."""
        await self.environment.save(self.control.as_dict())

    async def release(self) -> None:
        """Request nothing any more, and store that."""
        self.control.release()
        self.unverified = self.control.session.refused = None
        self._pending.clear()
        self._enter_synced()
        await self.save()

    async def expire(self) -> bool:
        """Replace a limit that was not renewed in time; return whether it was."""
        if not self.control.expire(self.environment.now()):
            return False
        self.writer.make_limit_due()
        await self.save()
        notifier, limit = self.environment.notifier, self.control.limits.effective
        notifier.limit_expired(self.control.desired.current_limit or 0.0)
        _LOGGER.info("%s: limit expired, now %s A", notifier.name, limit)
        return True

    async def switch_phases(
        self,
        connection: Connection,
        mode: PhaseMode,
        is_superseded: Condition = lambda: False,
    ) -> Result:
        """Switch the phases, which is counted before, and not if it is refused."""
        await connection.check_writable()
        budget, in_session = self.control.phases.budget, self.control.session.is_open
        budget.record(self.environment.now(), in_session=in_session)
        await self.save()
        setting = Setting.PHASE_MODE
        result = await self.writer.write(connection, setting, mode, is_superseded)
        if result.outcome in NOT_EXECUTED:
            budget.refund()
            await self.save()
        return result

    @property
    def refuses_start_stop(self) -> bool:
        """Return whether the charger refused START or STOP.

        That ends when the charger shows what was requested, when another START or
        STOP is obeyed, and with the session, the connection or control.
        """
        refused = self.control.session.refused
        return refused not in (None, self.link.settings.start_stop)

    async def observe(self, observation: Observation, *, at_once: bool = False) -> None:
        """Update from what was read, and store what changed."""
        self._observe_fallback(observation)
        lost = self.unverified
        phases_settled = clock() >= self.writer.phases_settle_at and (
            lost is None or lost.setting is not Setting.PHASE_MODE
        )
        now = self.environment.now()
        if self.control.observe(
            observation, now, phases_settled=phases_settled, at_once=at_once
        ):
            await self.save()

    def _observe_fallback(self, observation: Observation) -> None:
        was_active, writer = self._fallback.is_active, self.writer
        self._fallback.observe(
            observation.is_fallback_active,
            clock(),
            written_at=writer.limit_written_at if writer.has_written_limit else None,
            timeout=observation.settings.fallback_timeout,
        )
        # After a start it is news only if it ended our control.
        is_news = self.control.is_in_control if was_active is None else not was_active
        if self._fallback.is_active and is_news:
            self.environment.notifier.fallback_engaged()

    @property
    def has_unexpected_fallback(self) -> bool:
        """Return whether the fallback engaged in the last hour in spite of control."""
        return self.control.is_in_control and self._fallback.was_unexpected(clock())
