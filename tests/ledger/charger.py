"""A charger that counts, and what happens to it and to who reads it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import json
import struct

from custom_components.nexblue_local.ledger.counters import Counters, Reading
from custom_components.nexblue_local.ledger.ledger import Ledger
from custom_components.nexblue_local.ledger.recorder import Recorder
from custom_components.nexblue_local.ledger.session import Session

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
POLL = 10.0
"""Seconds between two reads."""


@dataclass
class Truth:
    """A session as it was."""

    start: datetime
    energy_wh: float = 0.0
    end: datetime | None = None
    is_seen: bool = True
    """Whether it was read shortly before and after both its ends."""


@dataclass
class Bench:
    """A charger with counters, and a recorder that reads it."""

    now: datetime = START
    lifetime: float = 1_000_000.4
    session: float = 0.0
    power: float = 0.0
    """W that the car takes."""
    has_vehicle: bool = False
    resets_late: bool = False
    """Whether the session energy is reset only when a car begins to charge."""
    is_single_phase: bool | None = None
    truths: list[Truth] = field(default_factory=list)
    ended: list[Session] = field(default_factory=list)
    saved: str = ""
    _stored_at: datetime = START
    _is_reset_due: bool = False

    def __post_init__(self) -> None:
        """Begin to read."""
        self.ledger = Ledger()
        self.recorder = Recorder("A", self.ledger)
        self.run(60)
        self.before = int(self.lifetime)

    def reading(self) -> Reading:
        """Return what is read: whole Wh, and a 32-bit float of kWh."""
        [session] = struct.unpack("f", struct.pack("f", self.session / 1000))
        return Reading(
            at=self.now,
            has_vehicle=self.has_vehicle,
            lifetime_wh=int(self.lifetime),
            session_wh=session * 1000,
            power_w=self.power if self.has_vehicle else 0.0,
            is_single_phase=self.is_single_phase,
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass unread."""
        self.now += timedelta(seconds=seconds)
        if self.has_vehicle and self.power > 0:
            if self._is_reset_due:
                self._is_reset_due, self.session = False, 0.0
            energy = self.power * seconds / 3600
            self.lifetime += energy
            self.session += energy
            self.truths[-1].energy_wh += energy

    def read(self, reading: Reading | None = None) -> None:
        """Read the charger; store what follows at the end of a session or each minute."""
        ended = self.recorder.observe(reading or self.reading())
        self.ended += ended
        if self.recorder.counters is None:
            return
        if ended or self.now - self._stored_at >= timedelta(minutes=1):
            self._stored_at = self.now
            self.saved = self.stored()

    def run(self, seconds: float) -> None:
        """Let time pass with a read every few seconds."""
        for _ in range(round(seconds / POLL)):
            self.pass_time(POLL)
            self.read()

    def plug_in(self, power: float = 0.0) -> None:
        """Connect a vehicle."""
        self.has_vehicle, self.power = True, power
        self.truths.append(Truth(self.now))
        if self.resets_late:
            self._is_reset_due = True
        else:
            self.session = 0.0

    def unplug(self) -> None:
        """Disconnect the vehicle."""
        self.has_vehicle, self.power = False, 0.0
        self.truths[-1].end = self.now

    def stored(self) -> str:
        """Return what is stored of the ledger and the recorder."""
        assert self.recorder.counters is not None
        return json.dumps([self.ledger.as_dict(), self.recorder.counters.as_dict()])

    def restart(self, stored: str | None = None) -> None:
        """Go on with what was stored now, or earlier."""
        ledger, counters = json.loads(stored or self.stored())
        self.ledger = Ledger.from_dict(ledger)
        assert not self.ledger.damaged
        loaded = Counters.from_dict(counters)
        assert loaded is not None
        self.recorder = Recorder("A", self.ledger, loaded)

    @property
    def total(self) -> float:
        """Return the energy of all sessions in Wh."""
        return sum(each.energy_wh for each in self.ledger.sessions())

    @property
    def counted(self) -> int:
        """Return what the charger counted since the first session could begin."""
        return int(self.lifetime) - self.before
