"""Which writes make and restore the desired state."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from .settings import Setting, Settings, StartStop, Value, agrees, is_lower
from .state import ControlState

type Write = tuple[Setting, Value]

AFTER_LIMIT = (Setting.FALLBACK_TIMEOUT, Setting.PHASE_MODE, Setting.START_STOP)
"""Settings that are restored only once the current limit was accepted.

STOP is not among them: it comes before the limit.
"""


def commands(wanted: Settings, found: Settings) -> list[Write]:
    """Return the writes of a command; a current limit that is lowered comes first."""
    is_lowered = is_lower(wanted.current_limit, found.current_limit)
    limit = Setting.CURRENT_LIMIT
    return sorted(wanted, key=lambda write: is_lowered and write[0] is not limit)


def before(
    state: ControlState, setting: Setting, value: Value, found: Settings
) -> list[Write]:
    """Return what is written before a setting: the limit, before a shorter timeout."""
    is_timeout = setting is Setting.FALLBACK_TIMEOUT
    is_lowered = is_timeout and is_lower(value, found.fallback_timeout)
    return limit_restoration(state) if is_lowered else []


def restoration(
    state: ControlState,
    found: Settings,
    now: datetime,
    capabilities: AbstractSet[Setting] = frozenset(Setting),
    *,
    may_switch: bool = True,
) -> list[Write]:
    """Return the writes that restore the desired state, the safest first.

    Call `Phases.await_mode` before: a phase mode that may not be switched yet, by its
    budget or without `may_switch`, is left out, and holds the current limit.
    """
    desired = state.desired
    writes: list[Write] = []
    if desired.start_stop is StartStop.STOP:
        writes.append((Setting.START_STOP, StartStop.STOP))
    for setting in (Setting.FALLBACK_TIMEOUT, Setting.FALLBACK_LIMIT):
        wanted = desired[setting]
        # A setting that is there is not written again after each lost connection. A
        # charger's own default may be as near as a value that it rounded.
        if wanted is not None and not agrees(found[setting], wanted):
            writes += [*before(state, setting, wanted, found), (setting, wanted)]
    phases = phase_restoration(state, now) if may_switch else []
    writes += phases or limit_restoration(state)
    if desired.start_stop is StartStop.START:
        writes.append((Setting.START_STOP, StartStop.START))
    return [write for write in writes if write[0] in capabilities]


def limit_restoration(state: ControlState) -> list[Write]:
    """Return the write of the current limit, if there is one."""
    limit = state.limits.effective
    return [] if limit is None else [(Setting.CURRENT_LIMIT, limit)]


def phase_restoration(state: ControlState, now: datetime) -> list[Write]:
    """Return the writes that restore the phase mode, once it may be switched.

    The limit is held before the charger takes its time for this, and set after.
    """
    mode = state.wanted_phase_mode
    if mode is None or not state.phases.may_restore(now):
        return []
    limit = limit_restoration(state)
    return [*limit, (Setting.PHASE_MODE, mode), *limit]
