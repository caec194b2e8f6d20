"""Tells the sessions of a charger from what is read of it.

A charger counts two energies: that of its lifetime, and that of the session. Their
difference is the origin: the lifetime energy at which the session began. It stays the
same in a session, however long nobody reads the charger; another origin is another
session. All of the lifetime energy is given to some session, so that the energies of
the sessions add up to what the charger counted.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from .counters import SAME_WH, Counters, Interval, Reading
from .ledger import Ledger
from .session import EndReason, Session
from .sources import Mix, Supply
from .transactions import annotated, is_within, without

GAP: Final = timedelta(seconds=90)
"""Time without a read in which a vehicle may have been changed unseen."""

SETTLE: Final = timedelta(seconds=30)
"""Time for which what is read after a gap, or is surprising, has to stay the same.

A charger that has just been switched on may not know its energies and its vehicle.
"""
SETTLE_READS: Final = 3


@dataclass(slots=True)
class _Surprise:
    """Something that has to stay the same for a time before it is believed."""

    since: datetime
    has_vehicle: bool
    origin: float | None
    reads: int = 1
    read_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Initialize for the first read."""
        self.read_at = self.since

    def goes_on(self, other: _Surprise) -> bool:
        """Return whether a later one, not much later, is the same."""
        is_gap = other.since - self.read_at > GAP
        if is_gap or self.has_vehicle is not other.has_vehicle:
            return False
        if self.origin is None or other.origin is None:
            return self.origin is other.origin
        return abs(self.origin - other.origin) <= SAME_WH


class Recorder:
    """Opens, continues and closes the sessions of a charger in the ledger."""

    def __init__(
        self, charger_id: str, ledger: Ledger, counters: Counters | None = None
    ) -> None:
        """Initialize, with the counters of the last run if there are any."""
        self.counters = counters
        self.latest: Session | None = None
        """The session that runs, or else the last one."""
        self.last_ended = ledger.last_ended(charger_id)
        self._charger_id = charger_id
        self._ledger = ledger
        self._supply = Supply()
        self._surprise: _Surprise | None = None
        self._ended: list[Session] = []
        if counters is not None and counters.session_start is not None:
            self.latest = ledger.get(charger_id, counters.session_start)
        for session in ledger.sessions(charger_id):
            if session.end is None and session != self.latest:
                # Its counters are lost. If it still runs, the first read shows all of
                # its energy again.
                ledger.remove(session)

    @property
    def is_open(self) -> bool:
        """Return whether a session runs."""
        return self.latest is not None and self.latest.end is None

    @property
    def lifetime_wh(self) -> float | None:
        """Return the lifetime energy until which everything is in the ledger."""
        return None if self.counters is None else self.counters.lifetime_wh

    def close(self) -> None:
        """End the session that runs when the charger is not read any more."""
        if self.is_open:
            assert self.counters is not None
            self._end(self.counters.at, is_reconstructed=True)

    def begin_transaction(self, transaction: Session) -> None:
        """Note a transaction that begins now; another one in a session divides it."""
        session, last = self.latest, self.counters
        if session is None or session.end is not None or last is None:
            return
        if session.transaction_id not in (None, transaction.transaction_id):
            self._end(transaction.start, is_reconstructed=False)
            origin, start = last.origin_wh, transaction.start
            self._begin(last, last.lifetime_wh, start, start, is_reconstructed=False)
            # The charger counts on.
            last.origin_wh = origin
            assert self.latest is not None
            session = self.latest
        self._replace(annotated(session, transaction))

    def end_transaction(self, transaction: Session) -> None:
        """Note a transaction that ended in the session that it was in.

        Without one it is a session of its own until the counters show its energy.
        """
        if self.counters is None:
            # All that is known of the charger are its transactions, of which several
            # may run at a time.
            self._ledger.put(transaction)
            self.last_ended = self._ledger.last_ended(self._charger_id)
            return
        sessions = self._ledger.sessions(self._charger_id)
        for session in sessions:
            if session.transaction_id == transaction.transaction_id is not None:
                self._replace(annotated(session, transaction))
                return
        within = [each for each in sessions if is_within(transaction, each)]
        for session in within:
            if session.transaction_id is None:
                self._replace(annotated(session, transaction))
                return
        if within and within[0].end is not None:
            # It was reported late, and its energy was counted in another session. One
            # that runs gets rid of it at its end.
            self._replace(without(within[0], transaction))
        self._ledger.put(transaction)

    def _joined(self, session: Session) -> Session:
        """Return a session that ended, with the transactions that were in it.

        They have sessions of their own if they were reported before the counters
        showed their energy.
        """
        for other in self._ledger.sessions(self._charger_id):
            if (
                other.start == session.start
                or other.end is None
                or other.transaction_id is None
                or not is_within(other, session)
            ):
                continue
            if session.transaction_id is None:
                session = annotated(session, other)
                self._ledger.remove(other)
            else:
                session = without(session, other)
            self._replace(session)
        return session

    def _replace(self, session: Session) -> None:
        """Replace a session by what is known of it now."""
        self._ledger.put(session)
        if self.latest is not None and self.latest.start == session.start:
            self.latest = session
        if self.last_ended is not None and self.last_ended.start == session.start:
            self.last_ended = session

    def supply(self, energy_wh: float, mix: Mix, price: float | None) -> None:
        """Note where the energy of some seconds came from; see `Supply.add`."""
        self._supply.add(energy_wh, mix, price)

    def observe(self, reading: Reading) -> list[Session]:
        """Update from a read; return the sessions of which it showed the end."""
        has_vehicle, lifetime = reading.has_vehicle, reading.lifetime_wh
        if has_vehicle is None or lifetime is None:
            # A charger that is faulted, for example, does not tell: that is an outage.
            return []
        origin = _origin(reading, lifetime, has_vehicle=has_vehicle)
        last = self.counters
        found_at = reading.at
        begins = has_vehicle and not self.is_open
        if last is None or not self._is_expected(
            last, reading.at, lifetime, origin, begins=begins
        ):
            surprise = self._confirm(_Surprise(reading.at, has_vehicle, origin))
            if surprise is None:
                return []
            found_at = surprise.since
        self._surprise = None
        is_unseen = last is None or found_at - last.at > GAP
        if last is None:
            begin = lifetime if origin is None else origin
            self.counters = last = Counters(
                at=found_at,
                # A session that runs gets all that the charger counted in it.
                lifetime_wh=begin if has_vehicle else lifetime,
                session_wh=reading.session_wh,
                origin_wh=begin,
                start_wh=begin,
            )
        elif not last.can_become(lifetime, reading.at):
            last.follow_reset(lifetime, reading.session_wh, reading.at)
        interval = Interval(
            begin=last.at,
            begin_wh=last.lifetime_wh,
            begin_w=last.power_w,
            end=found_at,
            end_wh=lifetime,
            end_w=reading.power_w or 0.0,
            read_at=reading.at,
            is_unseen=is_unseen,
        )
        self._share_out(last, interval, origin, has_vehicle=has_vehicle)
        self._note(last, reading, lifetime, origin)
        ended, self._ended = self._ended, []
        return [self._joined(session) for session in ended]

    def _is_expected(
        self,
        last: Counters,
        at: datetime,
        lifetime: float,
        origin: float | None,
        *,
        begins: bool,
    ) -> bool:
        """Return whether a read follows from the last one, or shows a new vehicle."""
        return (
            at - last.at <= GAP
            and last.can_become(lifetime, at)
            # The energy of the session may be reset a little later.
            and (begins or self._is_latest(last, origin))
        )

    def _is_latest(self, last: Counters, origin: float | None) -> bool:
        """Return whether an origin is that of the latest session."""
        energy = 0.0 if self.latest is None else self.latest.energy_wh
        return origin is None or last.is_origin(origin, energy)

    def _confirm(self, found: _Surprise) -> _Surprise | None:
        """Return a surprise once it has stayed the same for long enough."""
        surprise = self._surprise
        if surprise is None or not surprise.goes_on(found):
            self._surprise = found
            return None
        surprise.reads += 1
        surprise.read_at = found.since
        has_settled = found.since - surprise.since >= SETTLE
        return surprise if has_settled and surprise.reads >= SETTLE_READS else None

    def _share_out(
        self,
        last: Counters,
        interval: Interval,
        origin: float | None,
        *,
        has_vehicle: bool,
    ) -> None:
        """Give what was charged in an interval to the sessions that charged it.

        Before the border, that is the session that ran, or else one that nobody saw.
        After it, that is the one whose energy is read.
        """
        is_unseen = interval.is_unseen
        is_latest = self._is_latest(last, origin)
        border = interval.begin_wh if is_latest else _border(interval, origin)
        if self.is_open:
            if not is_latest:
                is_unseen = True
                self._count(border - interval.begin_wh, is_unseen=True)
                self._end(interval.charged_until(border), is_reconstructed=True)
        elif border - interval.begin_wh > SAME_WH:
            self._add_unseen(last, interval, interval.begin_wh, border)
        else:
            border = interval.begin_wh
        if has_vehicle and not self.is_open:
            start = interval.charged_since(border) if is_unseen else interval.end
            self._begin(
                last, border, start, interval.read_at, is_reconstructed=is_unseen
            )
        if self.is_open:
            self._count(interval.end_wh - border, is_unseen=is_unseen)
            if not has_vehicle:
                end = interval.end
                if is_unseen:
                    end = interval.charged_until(interval.end_wh)
                self._end(end, is_reconstructed=is_unseen)
        elif (
            self.latest is not None and is_latest and not (is_unseen and origin is None)
        ):
            # The counters were late.
            self._count(interval.end_wh - border, is_unseen=is_unseen)
            self.last_ended = self.latest
        else:
            self._add_unseen(last, interval, border, interval.end_wh)

    def _add_unseen(
        self, last: Counters, interval: Interval, start_wh: float, end_wh: float
    ) -> None:
        """Add a session that began and ended in the interval, if it charged."""
        if end_wh > start_wh:
            start = interval.evenly(start_wh)
            self._begin(last, start_wh, start, interval.read_at, is_reconstructed=True)
            self._count(end_wh - start_wh, is_unseen=True)
            self._end(interval.evenly(end_wh), is_reconstructed=True)

    def _begin(
        self,
        last: Counters,
        start_wh: float,
        start: datetime,
        now: datetime,
        *,
        is_reconstructed: bool,
    ) -> None:
        """Begin a session at a lifetime energy, which was read now."""
        end = None if self.latest is None else self.latest.end
        # Estimates must not overlap. One in the future is of a clock that was wrong.
        if end is not None and end <= now:
            start = max(start, end)
        # The start tells sessions apart.
        while self._ledger.get(self._charger_id, start) is not None:
            start += timedelta(seconds=1)
        last.start_wh = last.origin_wh = start_wh
        last.session_start = start
        last.is_single_phase = None
        self._put(
            Session(
                charger_id=self._charger_id,
                start=start,
                end=None,
                energy_wh=0.0,
                is_reconstructed=is_reconstructed,
            )
        )

    def _count(self, energy_wh: float, *, is_unseen: bool) -> None:
        """Add an energy to the latest session.

        Of what was charged unseen, the source is known for as much as was supplied.
        """
        session, supply = self.latest, self._supply
        assert session is not None
        if energy_wh <= 0:
            return
        session = replace(session, energy_wh=session.energy_wh + energy_wh)
        if supply.energy_wh > 0:
            factor = energy_wh / supply.energy_wh
            if is_unseen:
                factor = min(1.0, factor)
            cost = session.cost
            if supply.cost is not None:
                cost = (cost or 0.0) + factor * supply.cost
            session = replace(
                session,
                solar_wh=(session.solar_wh or 0.0) + factor * supply.solar_wh,
                grid_wh=(session.grid_wh or 0.0) + factor * supply.grid_wh,
                battery_wh=(session.battery_wh or 0.0) + factor * supply.battery_wh,
                cost=cost,
            )
            self._supply = Supply()
        self._put(session)

    def _end(self, end: datetime, *, is_reconstructed: bool) -> None:
        """End the session that runs."""
        session = self.latest
        assert session is not None
        session = replace(
            session,
            end=max(end, session.start),
            end_reason=session.end_reason or EndReason.UNPLUGGED,
            is_reconstructed=session.is_reconstructed or is_reconstructed,
        )
        self._put(session)
        self._ended.append(session)
        self.last_ended = session
        self._supply = Supply()

    def _put(self, session: Session) -> None:
        self.latest = session
        self._ledger.put(session)

    def _note(
        self, last: Counters, reading: Reading, lifetime: float, origin: float | None
    ) -> None:
        """Remember what was read, and what it says about the session that runs."""
        session, is_single = self.latest, reading.is_single_phase
        if session is not None and session.end is None:
            if reading.power_w is not None and reading.power_w > (session.peak_w or 0):
                session = replace(session, peak_w=reading.power_w)
            if None not in (is_single, last.is_single_phase) and (
                is_single is not last.is_single_phase
            ):
                session = replace(session, phase_switches=session.phase_switches + 1)
            if session is not self.latest:
                self._put(session)
        last.at = reading.at
        last.lifetime_wh = lifetime
        last.session_wh = reading.session_wh
        if origin is not None:
            last.origin_wh = origin
        last.power_w = max(0.0, reading.power_w or 0.0)
        if is_single is not None:
            last.is_single_phase = is_single


def _origin(reading: Reading, lifetime: float, *, has_vehicle: bool) -> float | None:
    """Return the origin that the counters show, None if they show none."""
    session = reading.session_wh
    # Some reset the energy of the session when the vehicle is gone.
    if session is None or (not has_vehicle and session <= SAME_WH):
        return None
    return lifetime - session


def _border(interval: Interval, origin: float | None) -> float:
    """Return the lifetime energy between the latest session and the next one."""
    if origin is None:
        return interval.begin_wh
    return min(max(interval.begin_wh, float(round(origin))), interval.end_wh)
