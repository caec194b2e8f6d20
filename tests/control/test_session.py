"""Which charging session it is."""

import pytest

from custom_components.nexblue_local.control.link import Status
from custom_components.nexblue_local.control.session import End, Session
from custom_components.nexblue_local.control.state import ControlState

CHARGING, AVAILABLE = Status.CHARGING, Status.AVAILABLE


@pytest.mark.parametrize(
    ("observations", "number"),
    [
        pytest.param([(CHARGING, 1.0), (CHARGING, 2.0)], 0, id="one session"),
        pytest.param([(CHARGING, 1.0), (AVAILABLE, 1.0)], 1, id="unplugged"),
        pytest.param(
            [(CHARGING, 3.0), (CHARGING, 0.5), (CHARGING, 0.6)], 1, id="unseen"
        ),
        pytest.param(
            [(CHARGING, 3.0), (CHARGING, 0.0), (CHARGING, 3.1)], 0, id="misread"
        ),
        pytest.param(
            [(CHARGING, energy) for energy in (3.0, 0.0, 3.1, 0.0, 3.2)],
            0,
            id="two misreads",
        ),
        pytest.param([(CHARGING, 3.0), (Status.FAULTED, 3.0)], 0, id="a fault"),
        pytest.param(
            [(CHARGING, 3.0), (Status.INOPERATIVE, 0.0), (Status.INOPERATIVE, 0.0)],
            0,
            id="inoperative",
        ),
        pytest.param([(CHARGING, 3.0), (None, 0.0), (None, 0.0)], 0, id="unknown"),
        pytest.param([(CHARGING, 3.0), (CHARGING, None)], 0, id="energy unknown"),
        pytest.param(
            [(CHARGING, 3.0), (CHARGING, 0.0)]
            + 2 * [(CHARGING, None), (CHARGING, 0.0)],
            0,
            id="misread, with energies unknown between",
        ),
        pytest.param([(AVAILABLE, 3.0), (AVAILABLE, 0.0)], 0, id="none"),
    ],
)
def test_sessions(
    observations: list[tuple[Status | None, float | None]], number: int
) -> None:
    """A session runs from leaving Available to returning to it."""
    session = Session()
    for status, energy in observations:
        session.observe(status, energy)
    assert session.number == number


@pytest.mark.parametrize(
    "status", [None, Status.FAULTED, Status.RESERVED, Status.INOPERATIVE]
)
def test_statuses_that_open_no_session(status: Status | None) -> None:
    """A fault or a reservation says nothing of a vehicle."""
    session = Session()
    assert session.observe(status, 1.0) is End.NO
    assert not session.is_open
    session.observe(CHARGING, 1.0)
    assert session.observe(status, 0.0) is End.NO
    assert session.is_open


@pytest.mark.parametrize(
    "status",
    [
        Status.PREPARING,
        Status.CHARGING,
        Status.SUSPENDED_EV,
        Status.SUSPENDED_EVSE,
        Status.FINISHING,
    ],
)
def test_statuses_of_a_session(status: Status) -> None:
    """All others are those of a vehicle."""
    session = Session()
    session.observe(status, None)
    assert session.is_open
    ends = [session.observe(AVAILABLE, None) for _ in range(2)]
    assert ends == [End.SEEN, End.NO]


def test_a_session_outlives_a_restart() -> None:
    """The stored energy is never more than it was."""
    session = Session()
    session.observe(CHARGING, 2.4)
    restored = ControlState.from_dict(ControlState(session=session).as_dict()).session
    assert restored.energy == 2.0
    assert restored.observe(CHARGING, 2.4, at_once=True) is End.NO


def test_an_unseen_session_known_at_once() -> None:
    """After a reconnect one read is enough."""
    session = Session()
    session.observe(CHARGING, 3.0)
    assert session.observe(CHARGING, 0.5, at_once=True) is End.INFERRED
    assert session.observe(CHARGING, 0.6, at_once=True) is End.NO
    assert session.number == 1
