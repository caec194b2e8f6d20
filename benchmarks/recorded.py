"""What a copy of Home Assistant's configuration folder says about charging on a day."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
import json
from pathlib import Path
import re
import sqlite3
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

DOMAIN: Final = "nexblue_local"

YAML_TIME_ZONE: Final = re.compile(
    r"""^\s+time_zone:\s*["']?([\w/+-]+)""", re.MULTILINE
)

LONGEST_INTERVAL: Final = 10.0
"""s between two reports of a value that stays the same, at most.

The recorder keeps the first and the last of them, and not those between.
"""


class NotRecorded(Exception):
    """The folder does not hold what is needed."""


@dataclass(frozen=True, slots=True)
class Report:
    """A state that was reported, changed or not."""

    t: float
    """s, Unix time."""
    entity_id: str
    state: str
    attributes: Mapping[str, Any]


class Recorded:
    """A configuration folder: `.storage` and `home-assistant_v2.db`."""

    def __init__(self, folder: Path) -> None:
        """Initialize; raises NotRecorded."""
        self._folder = folder
        entries = [
            entry
            for entry in self.stored("core.config_entries")["entries"]
            if entry["domain"] == DOMAIN
        ]
        self.entities: list[dict[str, Any]] = self.stored("core.entity_registry")[
            "entities"
        ]
        """The entity registry."""
        sites = [entry for entry in entries if "site" in entry["data"]]
        if not sites:
            raise NotRecorded("solar charging is not set up")
        self.site: dict[str, Any] = sites[0]
        self.chargers = {
            entry["title"]: entry for entry in entries if "modbus" in entry["data"]
        }
        """The config entries of the chargers by their title."""

    def stored(self, name: str) -> dict[str, Any]:
        """Return the data of a file in `.storage`; raises NotRecorded."""
        path = self._folder / ".storage" / name
        try:
            data: dict[str, Any] = json.loads(path.read_bytes())["data"]
        except (OSError, ValueError, LookupError) as error:
            raise NotRecorded(f"{path} cannot be read") from error
        return data

    @property
    def time_zone(self) -> tzinfo:
        """Return the time zone of Home Assistant. One in YAML takes precedence."""
        with contextlib.suppress(OSError):
            text = (self._folder / "configuration.yaml").read_text(encoding="utf-8")
            if found := YAML_TIME_ZONE.search(text):
                return ZoneInfo(found[1])
        return ZoneInfo(self.stored("core.config")["time_zone"])

    def entity_ids(self, charger: Mapping[str, Any]) -> dict[str, str]:
        """Return the IDs of the entities of a charger by their keys."""
        prefix = f"{charger['unique_id']}_"
        return {
            entity["unique_id"].removeprefix(prefix): entity["entity_id"]
            for entity in self.entities
            if entity["platform"] == DOMAIN and entity["unique_id"].startswith(prefix)
        }

    def desired(self, charger: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings that were requested of a charger when it was copied."""
        try:
            found = self.stored(f"{DOMAIN}.{charger['entry_id']}")
        except NotRecorded:
            return {}
        desired: dict[str, Any] = found.get("desired", {})
        return desired

    def _query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        path = self._folder / "home-assistant_v2.db"
        try:
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return database.execute(query, values).fetchall()
            finally:
                database.close()
        except sqlite3.Error as error:
            raise NotRecorded(f"{path} cannot be read: {error}") from error

    def last(self) -> float:
        """Return when a state was recorded last."""
        ((last,),) = self._query("SELECT MAX(last_updated_ts) FROM states")
        return last or 0.0

    def starts(self, begin: float, end: float) -> list[float]:
        """Return when Home Assistant was started between two times."""
        rows = self._query("SELECT start FROM recorder_runs ORDER BY start")
        starts = [
            datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
            for (start,) in rows
        ]
        return [start for start in starts if begin < start < end]

    def reports(
        self, entity_ids: Sequence[str], begin: float, end: float
    ) -> list[Report]:
        """Return all reports between two times, and the states at the beginning."""
        return sorted(
            (
                report
                for entity_id in entity_ids
                for report in self._reports_of(entity_id, begin, end)
            ),
            key=lambda report: report.t,
        )

    def _reports_of(self, entity_id: str, begin: float, end: float) -> Iterator[Report]:
        select = (
            "SELECT last_updated_ts, last_reported_ts, state, shared_attrs FROM states"
            " JOIN states_meta USING (metadata_id)"
            " LEFT JOIN state_attributes USING (attributes_id)"
            " WHERE states_meta.entity_id = ? AND last_updated_ts"
        )
        rows = self._query(
            f"{select} < ? ORDER BY last_updated_ts DESC LIMIT 1", entity_id, begin
        )
        rows += self._query(
            f"{select} BETWEEN ? AND ? ORDER BY last_updated_ts", entity_id, begin, end
        )
        changes = [row[0] for row in rows[1:]]
        gaps = [b - a for a, b in pairwise(changes)]
        usual = min(LONGEST_INTERVAL, max(1.0, median(gaps or [LONGEST_INTERVAL])))
        for number, (updated, reported, state, attributes) in enumerate(rows):
            is_last = number == len(rows) - 1
            # The time of the last report is stored with the next state.
            last = min(end, end if is_last else reported or updated)
            times = [updated] if updated >= begin else [begin]
            while times[-1] + usual < last:
                times.append(times[-1] + usual)
            if times[-1] < last:
                times.append(last)
            shared = json.loads(attributes) if attributes else {}
            for t in times:
                yield Report(t, entity_id, state, shared)
