"""Sessions are found, bounded in number, and stored."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.nexblue_local.ledger import ledger as ledger_module
from custom_components.nexblue_local.ledger.ledger import Ledger
from custom_components.nexblue_local.ledger.session import EndReason, Session

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

WHOLE = Session(
    charger_id="A",
    start=START,
    end=START + timedelta(hours=2),
    energy_wh=12_345.5,
    solar_wh=12_000.0,
    grid_wh=300.5,
    battery_wh=45.0,
    peak_w=11_040.0,
    phase_switches=2,
    end_reason=EndReason.REMOTE,
    tag="Car key",
    transaction_id=7,
    is_accepted=False,
    is_reconstructed=True,
    cost=-0.25,
)


def session(hours: float, charger_id: str = "A", energy_wh: float = 1.0) -> Session:
    """Return a session that runs since some hours after START."""
    start = START + timedelta(hours=hours)
    return Session(charger_id=charger_id, start=start, end=None, energy_wh=energy_wh)


def filled(*sessions: Session) -> Ledger:
    """Return a ledger with sessions."""
    ledger = Ledger()
    for each in sessions:
        ledger.put(each)
    return ledger


def stored(ledger: Ledger) -> dict[str, Any]:
    """Return what is read from the file that a ledger was written to."""
    data: dict[str, Any] = json.loads(json.dumps(ledger.as_dict()))
    return data


def test_found_by_charger_and_start() -> None:
    """Consecutive periods have each session once, in the order of their start."""
    late, first, other = session(2), session(0), session(1, "B")
    ledger = filled(late, first, other)
    assert ledger.sessions() == [first, other, late]
    assert ledger.sessions("A") == [first, late]
    border = START + timedelta(hours=2)
    assert ledger.sessions(end=border) == [first, other]
    assert ledger.sessions("A", start=border) == [late]


def test_replaced() -> None:
    """A session that goes on is the same one; that of another charger is not."""
    ledger = filled(session(0), session(0, "B"), session(0, energy_wh=5.0))
    assert [each.energy_wh for each in ledger.sessions("A")] == [5.0]
    assert len(ledger) == 2


def test_last_ended() -> None:
    """A session that still runs is not the last one."""
    assert Ledger().last_ended("A") is None
    assert filled(WHOLE, session(3)).last_ended("A") == WHOLE
    assert filled(WHOLE).last_ended("B") is None


def test_oldest_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are never more sessions than the maximum, also not after loading."""
    kept = filled(session(2), session(0), session(1))
    monkeypatch.setattr(ledger_module, "MAX_SESSIONS", 2)
    assert Ledger.from_dict(stored(kept)).sessions() == [session(1), session(2)]


def test_stored() -> None:
    """What is read is what was written, in UTC."""
    east = session(1).start.astimezone(datetime.now().astimezone().tzinfo)
    ledger = filled(WHOLE, Session(charger_id="B", start=east, end=None, energy_wh=0.0))
    again = Ledger.from_dict(stored(ledger))
    assert again.sessions() == ledger.sessions()
    assert again.damaged == 0
    assert all(each.start.tzinfo is UTC for each in again.sessions())


@pytest.mark.parametrize(
    "damage",
    [
        {"charger_id": 7},
        {"charger_id": None},
        {"start": "2026-06-01T12:00:00"},
        {"start": "yesterday"},
        {"start": None},
        {"end": "2026-06-01T11:00:00+00:00"},
        {"energy_wh": float("nan")},
        {"energy_wh": -1.0},
        {"energy_wh": True},
        {"energy_wh": None},
        {"phase_switches": 1.5},
        {"is_accepted": "no"},
        {"is_reconstructed": None},
        {"tag": 4},
    ],
)
def test_damaged(damage: dict[str, Any]) -> None:
    """A damaged record is counted, and costs no other one."""
    data = stored(filled(WHOLE, session(3)))
    data["sessions"][0] |= damage
    ledger = Ledger.from_dict(data)
    assert ledger.sessions() == [session(3)]
    assert ledger.damaged == 1


@pytest.mark.parametrize("missing", ["charger_id", "start", "end", "energy_wh"])
def test_incomplete(missing: str) -> None:
    """Without one of its required values, a record is damaged; `end` is stored."""
    data = stored(filled(WHOLE))
    del data["sessions"][0][missing]
    assert Ledger.from_dict(data).damaged == 1


@pytest.mark.parametrize("data", [{"sessions": 5}, {"sessions": [5]}])
def test_no_ledger(data: dict[str, Any]) -> None:
    """What is no ledger is damaged as well."""
    ledger = Ledger.from_dict(data)
    assert ledger.damaged == 1
    assert not len(ledger)


def test_reason_of_a_later_version() -> None:
    """An end reason that is not known does not cost the session."""
    data = stored(filled(WHOLE))
    data["sessions"][0]["end_reason"] = "meteorite"
    [read] = Ledger.from_dict(data).sessions()
    assert read.end_reason is EndReason.OTHER
