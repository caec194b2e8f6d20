"""Weeks in which anything happens: the energies add up."""

from datetime import timedelta
from itertools import pairwise
from typing import Final

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from .charger import Bench

AWAY: Final = (100.0, 1_000.0, 20_000.0)
"""Seconds without a read."""
POWERS: Final = (0.0, 1_400.0, 11_040.0)


class Week:
    """What can happen in a week."""

    def __init__(self, *, resets_late: bool) -> None:
        """Initialize without a vehicle."""
        self.bench = Bench(resets_late=resets_late)
        self.resets = 0

    def change(self, power: float, away: float | None) -> None:
        """Plug in or out, or change the power; seen, or while nobody reads."""
        bench = self.bench
        self.wait(away)
        if not bench.has_vehicle:
            bench.plug_in(power)
        elif power:
            bench.power = power
        else:
            bench.unplug()
        if away is not None:
            bench.truths[-1].is_seen = False
        self.wait(away)

    def wait(self, away: float | None) -> None:
        """Let time pass, read or unread."""
        if away is None:
            self.bench.run(120)
        else:
            self.bench.pass_time(away)

    def charge(self, minutes: int) -> None:
        """Charge while the charger is read."""
        self.bench.run(60 * minutes)

    def kill(self, away: float) -> None:
        """Kill Home Assistant, and start it again."""
        self.bench.pass_time(away)
        self.bench.restart(self.bench.saved)

    def cut_power(self, away: float) -> None:
        """Cut the power; then the charger knows little for two reads."""
        bench = self.bench
        power, bench.power = bench.power, 0.0
        bench.pass_time(away)
        for has_vehicle in (None, False):
            bench.pass_time(10)
            whole = bench.reading()
            bench.read(
                type(whole)(
                    at=bench.now, has_vehicle=has_vehicle, lifetime_wh=0, session_wh=0
                )
            )
        bench.power = power

    def reset(self, lifetime: int) -> None:
        """Set the lifetime energy to another value while it is read."""
        bench = self.bench
        bench.run(120)
        shift = lifetime - int(bench.lifetime)
        bench.lifetime += shift
        bench.before += shift
        self.resets += 1
        bench.run(120)


EVENTS: Final = st.lists(
    st.one_of(
        st.tuples(
            st.just(Week.change),
            st.sampled_from(POWERS),
            st.sampled_from((None, None, *AWAY)),
        ),
        st.tuples(st.just(Week.charge), st.integers(1, 90)),
        st.tuples(st.just(Week.wait), st.sampled_from(AWAY)),
        st.tuples(st.just(Week.kill), st.sampled_from((5.0, *AWAY))),
        st.tuples(st.just(Week.cut_power), st.sampled_from(AWAY)),
        st.tuples(st.just(Week.reset), st.sampled_from((0, 10**6, 10**9))),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS, resets_late=st.booleans())
def test_energies_add_up(events: list[tuple[object, ...]], resets_late: bool) -> None:
    """All sessions together have what the charger counted, to the Wh."""
    week = Week(resets_late=resets_late)
    for event, *values in events:
        assert callable(event)
        event(week, *values)
    bench = week.bench
    bench.run(300)
    assert abs(bench.total - bench.counted) <= 2 * week.resets
    sessions = bench.ledger.sessions()
    for session, following in pairwise(sessions):
        assert session.end is not None
        assert session.start <= session.end <= following.start
    # What was seen is there as it was.
    for truth in bench.truths:
        if truth.is_seen and truth.energy_wh >= 500:
            [found] = [
                each.energy_wh
                for each in sessions
                if abs(each.start - truth.start) <= timedelta(minutes=2)
            ]
            assert found == pytest.approx(truth.energy_wh, abs=2 + 2 * week.resets)
