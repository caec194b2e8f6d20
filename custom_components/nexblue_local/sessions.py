"""The sessions of all chargers: their storage, and how they are shown."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
import csv
from datetime import datetime
import io
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.util.dt import as_local, utcnow

from .checked_store import CheckedStore
from .const import DOMAIN, LOGGER
from .ledger.counters import Counters, Reading
from .ledger.ledger import Ledger
from .ledger.recorder import Recorder
from .ledger.session import Session
from .modbus.enums import ChargePointState, PhaseMode
from .modbus.snapshot import Snapshot

STORAGE_VERSION: Final = 1
SAVE_AFTER: Final = 60.0
"""Seconds in which a change is stored, at most once; the end of a session is at once."""
SAVE_EVERY: Final = 3600.0
"""Seconds in which the time of the last read is stored, also if nothing changes.

A session that nobody saw began after it.
"""

UNDECIDED: Final = (
    None,
    ChargePointState.RESERVED,
    ChargePointState.INOPERATIVE,
    ChargePointState.FAULTED,
)
"""States in which there may be a vehicle."""


class Sessions:
    """The ledger, in one file, and what tells the sessions of each charger."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Initialize without sessions; see `async_load`."""
        self.ledger = Ledger()
        self._counters: dict[str, Counters] = {}
        self._recorders: dict[str, Recorder] = {}
        self._store = CheckedStore(
            hass, STORAGE_VERSION, f"{DOMAIN}.sessions", atomic_writes=True
        )
        self._is_save_due = False

    async def async_load(self) -> None:
        """Load what was stored, except for what is damaged."""
        stored = await self._store.async_load() or {}
        self.ledger = Ledger.from_dict(stored)
        if self.ledger.damaged:
            LOGGER.warning(
                "%s stored charging sessions are damaged and were discarded",
                self.ledger.damaged,
            )
        counters = stored.get("counters")
        for charger_id, record in (
            counters.items() if isinstance(counters, dict) else ()
        ):
            if (loaded := Counters.from_dict(record)) is not None:
                self._counters[charger_id] = loaded

    def recorder(self, charger_id: str) -> Recorder:
        """Return the recorder of a charger, which outlives its config entry."""
        if charger_id not in self._recorders:
            self._recorders[charger_id] = Recorder(
                charger_id, self.ledger, self._counters.get(charger_id)
            )
        return self._recorders[charger_id]

    async def async_observe(self, charger_id: str, snapshot: Snapshot) -> list[Session]:
        """Update from a poll; return the sessions of which it showed the end."""
        recorder = self.recorder(charger_id)
        before = _known(recorder)
        ended = recorder.observe(_reading(snapshot))
        if ended:
            await self._async_save()
        elif before != _known(recorder):
            self._save_soon()
        return ended

    async def async_begin_transaction(self, transaction: Session) -> None:
        """Note a transaction of OCPP that began."""
        self.recorder(transaction.charger_id).begin_transaction(transaction)
        await self._async_save()

    async def async_end_transaction(self, transaction: Session) -> None:
        """Note a transaction of OCPP that ended; raises OSError if it is not stored."""
        self.recorder(transaction.charger_id).end_transaction(transaction)
        await self._store.async_save(self._data())

    async def async_forget(self, charger_id: str) -> None:
        """End what runs at a charger that is removed; its sessions are kept."""
        recorder = self.recorder(charger_id)
        recorder.close()
        self._recorders.pop(charger_id)
        self._counters.pop(charger_id, None)
        await self._async_save()

    async def _async_save(self) -> None:
        # A failure is in the log, and the next time everything is written.
        with suppress(OSError):
            await self._store.async_save(self._data())

    @callback
    def async_stop(self) -> None:
        """Store what is known when Home Assistant stops."""
        if self._recorders:
            self._store.async_delay_save(self._data)

    @callback
    def _save_soon(self) -> None:
        # Each call would delay it further.
        if not self._is_save_due:
            self._is_save_due = True
            self._store.async_delay_save(self._data, SAVE_AFTER)

    def _data(self) -> dict[str, Any]:
        self._is_save_due = False
        for charger_id, recorder in self._recorders.items():
            if recorder.counters is not None:
                self._counters[charger_id] = recorder.counters
        counters = {key: each.as_dict() for key, each in self._counters.items()}
        return {**self.ledger.as_dict(), "counters": counters}


def _known(recorder: Recorder) -> object:
    """Return what is stored when it changes."""
    counters = recorder.counters
    hour = None if counters is None else counters.at.timestamp() // SAVE_EVERY
    return recorder.latest, recorder.lifetime_wh, hour


def _reading(snapshot: Snapshot) -> Reading:
    """Return what the recorder needs of a poll."""
    values, phase_mode = snapshot.reading, snapshot.settings.phase_mode
    session = values.session_energy
    return Reading(
        at=utcnow(),
        has_vehicle=None
        if values.status in UNDECIDED
        else values.status is not ChargePointState.AVAILABLE,
        lifetime_wh=values.lifetime_energy,
        session_wh=None if session is None else 1000 * session,
        power_w=values.power,
        is_single_phase=None
        if phase_mode in (None, PhaseMode.ADAPTIVE)
        else phase_mode is PhaseMode.SINGLE_PHASE,
    )


def solar_share(session: Session) -> int | None:
    """Return how much of a session's energy came from the sun, in whole %."""
    if session.solar_wh is None or session.energy_wh <= 0:
        return None
    return round(100 * session.solar_wh / session.energy_wh)


def duration(session: Session) -> float:
    """Return how long a session lasted, or has lasted by now, in minutes."""
    end = utcnow() if session.end is None else session.end
    return (end - session.start).total_seconds() / 60


def shown(session: Session) -> dict[str, Any]:
    """Return a session as actions and events have it; None is unknown.

    Energies are in kWh, to the Wh, and times in Home Assistant's time zone.
    """
    return {name: value_fn(session) for name, value_fn in COLUMNS.items()}


def as_csv(chargers: Iterable[tuple[str, Iterable[Session]]]) -> str:
    """Return the sessions of chargers, by the name of each, as CSV (RFC 4180)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["charger", *COLUMNS])
    writer.writeheader()
    for name, sessions in chargers:
        for session in sessions:
            writer.writerow({"charger": name, **shown(session)})
    return text.getvalue()


def _kwh(wh: float | None) -> float | None:
    return None if wh is None else round(wh / 1000, 3)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _local(time: datetime | None) -> str | None:
    return None if time is None else as_local(time).isoformat(timespec="seconds")


COLUMNS: Final[Mapping[str, Callable[[Session], Any]]] = {
    "start": lambda session: _local(session.start),
    "end": lambda session: _local(session.end),
    "duration": lambda session: _rounded(duration(session), 1),
    "energy": lambda session: _kwh(session.energy_wh),
    "solar_energy": lambda session: _kwh(session.solar_wh),
    "grid_energy": lambda session: _kwh(session.grid_wh),
    "battery_energy": lambda session: _kwh(session.battery_wh),
    "solar_share": solar_share,
    "cost": lambda session: _rounded(session.cost, 2),
    "peak_power": lambda session: _rounded(session.peak_w, 0),
    "phase_switches": lambda session: session.phase_switches,
    "end_reason": lambda session: session.end_reason,
    "tag": lambda session: session.tag,
    "transaction_id": lambda session: session.transaction_id,
    "is_accepted": lambda session: session.is_accepted,
    "is_reconstructed": lambda session: session.is_reconstructed,
}
"""What is shown of a session, by its name in actions and events."""
