"""What the charge mode, the main fuse and an energy mean for the limits of a charger."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from .const import LOGGER
from .control import record
from .control.controller import Controller
from .control.errors import CommandFailed, Rejected
from .control.limits import Source
from .control.settings import LEAST_CURRENT, PhaseMode
from .control.state import DamagedRecord
from .modbus.registers import Reading
from .site_config import ChargerConfig
from .surplus import settings as surplus
from .surplus.decision import ChargerDecision, Reason
from .surplus.settings import SOLAR_MODES, Mode

FROZEN_FOR: Final = 60.0
"""Seconds for which the limits of a site that was unloaded stay as they are."""

NEARLY: Final = timedelta(seconds=10)
"""By how much the time of the next change may move without being shown anew."""

PHASE_MODES: Final = {
    surplus.PhaseMode.ONE: PhaseMode.SINGLE_PHASE,
    surplus.PhaseMode.THREE: PhaseMode.THREE_PHASE,
    surplus.PhaseMode.ADAPTIVE: PhaseMode.ADAPTIVE,
}

SWITCHING_MODES: Final = (*SOLAR_MODES, Mode.FAST)
"""Modes in which the phases may be switched."""

RESTING_LIMITS: Final = {Mode.OFF: 0.0, Mode.SOLAR: 0.0}
"""Limits in A of a mode while there is no decision; `solar_min` has its minimum."""


@dataclass
class ChargeSettings:
    """What the user wants of a charger beside its settings, stored with them."""

    mode: Mode = Mode.MANUAL
    is_fast_until_unplugged: bool = False
    stop_after_energy: float = 0.0
    """Energy in kWh after which a session pauses; 0 for never."""
    has_fuse: bool = False
    """Whether the site limits the charger because of its main fuse."""
    found_limit: float | None = None
    """Limit in A that the fuse found where the user never asked for one."""

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "mode": self.mode.value,
            "is_fast_until_unplugged": self.is_fast_until_unplugged,
            "stop_after_energy": self.stop_after_energy,
            "has_fuse": self.has_fuse,
            "found_limit": self.found_limit,
        }

    @classmethod
    def from_record(cls, stored: Mapping[str, Any]) -> Self:
        """Return the settings in the record of a charger; raises DamagedRecord."""
        try:
            data = stored["charging"]
            return cls(
                mode=Mode(data["mode"]),
                is_fast_until_unplugged=record.exactly(
                    bool, data["is_fast_until_unplugged"]
                ),
                stop_after_energy=record.number(data["stop_after_energy"]),
                has_fuse=record.exactly(bool, data["has_fuse"]),
                found_limit=record.optional(record.number, data["found_limit"]),
            )
        except (LookupError, ArithmeticError, TypeError, ValueError) as error:
            raise DamagedRecord(f"{type(error).__name__}: {error}") from error


class Charging:
    """The limits that follow from the charge mode, the site and the session energy."""

    def __init__(
        self,
        control: Controller,
        settings: ChargeSettings,
        config: ChargerConfig,
        *,
        now: Callable[[], datetime],
        start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_change: Callable[[], None],
    ) -> None:
        """Initialize, limited as far as it has to be until the site has reported."""
        self.settings = settings
        self.config = config
        self.reason: Reason | None = None
        """Why the charger gets what it gets; None without a site."""
        self.next_change: datetime | None = None
        self._control = control
        self._now = now
        self._start_task = start_task
        self._on_change = on_change
        self._decide: Callable[[], None] | None = None
        self._frozen: asyncio.TimerHandle | None = None
        self._has_lost_site = False
        """Whether the site that decided was unloaded."""
        self._switching: asyncio.Task[None] | None = None
        self._is_releasing = False
        self._app_maximum: float | None = None
        self._was_open = control.state.session.is_open
        """Whether there was a session at the last poll."""
        self._energy_before: float | None = None
        """Energy in kWh that was read before this session, as long as it still is."""
        if self.ceiling is None and self.mode is not Mode.MANUAL:
            # Control was returned, and that was all that could be stored.
            self.settings = ChargeSettings(has_fuse=settings.has_fuse)
        state = control.state
        for source, limit in self._limits_without_site(is_lost=False).items():
            state.limits.set(source, limit)
        state.phases.is_delegated = self._may_switch
        if self.mode is not Mode.MANUAL:
            self.reason = Reason.STARTING

    @property
    def has_site(self) -> bool:
        """Return whether a site decides for this charger."""
        return self._decide is not None

    # What the user wants.

    @property
    def mode(self) -> Mode:
        """Return the mode that applies now."""
        settings = self.settings
        return Mode.FAST if settings.is_fast_until_unplugged else settings.mode

    @property
    def ceiling(self) -> float | None:
        """Return the limit in A that the user asked for, None if there is none."""
        return self._control.state.desired.current_limit

    @property
    def ceiling_to_adopt(self) -> float:
        """Return the limit in A that becomes the user's if none was asked for."""
        found = self.settings.found_limit
        if found is None:
            found = self._control.link.settings.current_limit
        limit = LEAST_CURRENT if found is None else found
        if self._app_maximum is not None:
            limit = min(limit, self._app_maximum)
        return round(max(limit, LEAST_CURRENT), 1)

    @property
    def _may_switch(self) -> bool:
        return self.config.switch_phases and self.mode in SWITCHING_MODES

    async def async_set_mode(self, mode: Mode) -> None:
        """Change the charge mode, and store it."""
        self.settings.mode = mode
        # The user decides anew.
        self.settings.is_fast_until_unplugged = False
        await self._changed()

    async def async_set_fast_until_unplugged(self, *, is_on: bool) -> None:
        """Charge with the user's limit until the session ends."""
        self.settings.is_fast_until_unplugged = is_on
        await self._changed()

    async def async_set_stop_after_energy(self, energy: float) -> None:
        """Pause each session after an energy in kWh; 0 for never."""
        self.settings.stop_after_energy = energy
        await self._changed()

    async def _changed(self) -> None:
        """Apply what the user changed, and store it."""
        self._decide_now()
        limits_anything = self.mode is not Mode.MANUAL or (
            self.settings.stop_after_energy > 0
        )
        if self.ceiling is None and limits_anything:
            limit = self.ceiling_to_adopt
            self.settings.found_limit = None
            await self._control.adopt_limit(limit)
        else:
            await self._control.reconciler.save()
        # The ceiling may be another one.
        self._decide_now()
        self._on_change()

    def _decide_now(self) -> None:
        if self._decide is not None:
            self._decide()
        else:
            self._rest(is_lost=self._has_lost_site)

    async def async_release(self, fallback_limit: float | None) -> None:
        """Return control to the charger; the mode is `manual` then."""
        before = self.settings
        self.settings = ChargeSettings(has_fuse=before.has_fuse)
        self._is_releasing = True
        try:
            await self._control.release(fallback_limit)
        except BaseException:
            self.settings = before
            raise
        finally:
            self._is_releasing = False
        self._decide_now()

    # What the site decides.

    async def async_join(self, decide: Callable[[], None], *, has_fuse: bool) -> None:
        """Be limited by a site, which decides when `decide` is called."""
        self._thaw()
        self._decide, self._has_lost_site = decide, False
        if self.settings.has_fuse is not has_fuse:
            self.settings.has_fuse = has_fuse
            await self._control.reconciler.save()

    def leave(self) -> None:
        """Keep the limits for a time, in which the site may be back."""
        self._decide, self._has_lost_site = None, True
        loop = asyncio.get_running_loop()
        self._frozen = loop.call_later(FROZEN_FOR, self.lose)

    def lose(self) -> None:
        """Apply what holds while nobody can decide."""
        self._rest(is_lost=True)
        self._on_change()

    def stop(self) -> None:
        """End all timers."""
        self._thaw()

    def _thaw(self) -> None:
        if self._frozen is not None:
            self._frozen.cancel()
            self._frozen = None

    async def async_end(self) -> None:
        """Do without a site: only the user's limit is left."""
        self._decide, self._has_lost_site = None, False
        self._thaw()
        settings = self.settings
        before = replace(settings)
        settings.mode = Mode.MANUAL
        settings.is_fast_until_unplugged = settings.has_fuse = False
        self._rest(is_lost=False)
        if settings != before:
            await self._control.reconciler.save()
            self._on_change()

    def apply(self, decision: ChargerDecision, next_change: datetime | None) -> bool:
        """Do what the site decided; return whether its reason is another one."""
        mode = self.mode
        fuse = None if mode is Mode.OFF else decision.fuse_a
        if self._is_releasing:
            # What the charger has otherwise is not changed any more.
            self._control.set_limits({Source.FUSE: fuse})
            return False
        if mode is Mode.MANUAL and self.ceiling is None:
            if decision.current_a is not None and self.settings.found_limit is None:
                self.settings.found_limit = self._control.link.settings.current_limit
                self._start_task(self._control.reconciler.save())
            fuse = self._fuse_alone(fuse)
        self._control.set_limits(
            {
                Source.SURPLUS: None if mode is Mode.MANUAL else decision.current_a,
                Source.FUSE: fuse,
            }
        )
        self._control.delegate_phases(is_delegated=self._may_switch)
        if decision.phase_mode is not None:
            self._switch(PHASE_MODES[decision.phase_mode])
        return self._say(decision.reason, next_change)

    def _fuse_alone(self, fuse: float | None) -> float | None:
        """Return the limit where the user asked for none: at most what was found."""
        found = self.settings.found_limit
        if found is None or fuse is None:
            return found
        return min(found, fuse)

    def _say(self, reason: Reason | None, next_change: datetime | None) -> bool:
        before, at = self.reason, self.next_change
        self.reason = reason
        if reason is not before or _is_news(at, next_change, self._now()):
            self.next_change = next_change
        # The time is shown with the next poll.
        return reason is not before

    def _rest(self, *, is_lost: bool) -> None:
        """Apply what holds without a decision."""
        self._control.set_limits(self._limits_without_site(is_lost=is_lost))
        self._control.delegate_phases(is_delegated=self._may_switch)
        is_free = self.mode is Mode.MANUAL and not self.settings.has_fuse
        waiting = Reason.METER_LOST if is_lost else Reason.STARTING
        self.reason, self.next_change = None if is_free else waiting, None

    def _limits_without_site(self, *, is_lost: bool) -> dict[str, float | None]:
        """Return the limits while the site has not reported, or is lost."""
        mode, least = self.mode, float(self.config.min_current)
        fuse: float | None = None
        if self.settings.has_fuse and mode is not Mode.OFF:
            fuse = 0.0 if is_lost else least
        if self.ceiling is None and mode is Mode.MANUAL:
            found = self.settings.found_limit
            fuse = None if found is None else self._fuse_alone(fuse)
        return {
            Source.SURPLUS: least
            if mode is Mode.SOLAR_MIN
            else RESTING_LIMITS.get(mode),
            Source.FUSE: fuse,
        }

    def _switch(self, mode: PhaseMode) -> None:
        """Switch the phases, unless they are being switched."""
        is_switching = self._switching is not None and not self._switching.done()
        if not is_switching and mode is not self._control.state.phases.seen:
            self._switching = self._start_task(self._async_switch(mode))

    async def _async_switch(self, mode: PhaseMode) -> None:
        try:
            await self._control.choose_phases(mode)
        except (CommandFailed, Rejected) as error:
            # The site sees that they are not switched, and waits.
            LOGGER.debug("Phases not switched: %r", error)

    # What is read.

    async def async_observe(self, reading: Reading) -> None:
        """Update from a poll, after control has."""
        self._app_maximum = reading.app_max_current
        # Control may have seen the end between two polls.
        was_open, self._was_open = self._was_open, self._control.state.session.is_open
        has_ended = was_open and not self._was_open
        if has_ended and self.settings.is_fast_until_unplugged:
            self.settings.is_fast_until_unplugged = False
            self._decide_now()
            await self._control.reconciler.save()
        if self.ceiling is not None and self.settings.found_limit is not None:
            self.settings.found_limit = None
            await self._control.reconciler.save()
        self.limit_energy(reading)

    def limit_energy(self, reading: Reading) -> None:
        """Pause a session that has its energy; also before anything is restored.

        Some chargers show the energy of the session before until the next one charges.
        """
        energy, most = reading.session_energy or 0.0, self.settings.stop_after_energy
        is_open = self._control.state.session.is_open
        if not is_open:
            self._energy_before = energy
        elif energy != self._energy_before:
            self._energy_before = None
        is_enough = is_open and self._energy_before is None and 0 < most <= energy
        self._control.set_limits({Source.ENERGY: 0.0 if is_enough else None})


def _is_news(shown: datetime | None, expected: datetime | None, now: datetime) -> bool:
    """Return whether a time is not the one that is shown, or nearly so.

    It is estimated anew at each decision, and varies with the sun.
    """
    if shown is None or expected is None:
        return shown is not expected
    left = shown - now
    return left <= timedelta() or abs(expected - shown) > max(NEARLY, left / 10)
