"""What is known of the phases."""

from datetime import UTC, datetime, timedelta

from custom_components.nexblue_local.control.phases import GIVE_UP_AFTER, Phases
from custom_components.nexblue_local.control.settings import PhaseMode

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ADAPTIVE, SINGLE, THREE = PhaseMode


def test_a_hold_ends_after_failed_attempts() -> None:
    """A charger that does not take the mode back is not held at 6 A for good."""
    phases = Phases(seen=ADAPTIVE)
    phases.await_mode(ADAPTIVE, SINGLE)
    for _ in range(GIVE_UP_AFTER):
        assert (phases.is_held, phases.is_given_up) == (True, False)
        assert phases.may_restore(NOW)
        phases.attempted(ADAPTIVE, SINGLE)
    assert (phases.is_held, phases.is_given_up) == (False, True)
    assert not phases.may_restore(NOW)
    # Another connection is no reason to begin again.
    phases.await_mode(ADAPTIVE, SINGLE)
    assert (phases.is_held, phases.is_given_up) == (False, True)
    # It ends once the mode is seen.
    phases.observe(SINGLE, SINGLE)
    # What is lost after that is another loss.
    phases.await_mode(ADAPTIVE, SINGLE)
    assert (phases.is_held, phases.is_given_up) == (True, False)


def test_phases_that_are_not_awaited() -> None:
    """A mode that is there, or was not requested, is not waited for."""
    for found, wanted in ((SINGLE, SINGLE), (ADAPTIVE, None)):
        phases = Phases()
        phases.await_mode(found, wanted)
        assert not phases.is_held
        assert not phases.may_restore(NOW)


def test_phases_wait_for_the_budget() -> None:
    """They are held until they may be switched."""
    phases = Phases(seen=ADAPTIVE)
    phases.budget.record(NOW, in_session=False)
    phases.await_mode(ADAPTIVE, THREE)
    assert phases.is_held
    assert not phases.may_restore(NOW + timedelta(minutes=9))
    assert phases.may_restore(NOW + timedelta(minutes=10))
