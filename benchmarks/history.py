"""Why did it do that yesterday? `python -m benchmarks.history FOLDER --day 2026-11-25`.

FOLDER is a copy of Home Assistant's configuration folder, for example from a backup. What
the meters and the charger reported on that day is given to the surplus controller once
more. Shown are its decisions beside what was recorded, or, with `--lines`, what
`python -m benchmarks.pilot` reads.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import zip_longest
import json
from pathlib import Path
import sys
from typing import Any, Final
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntries
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util

from custom_components.nexblue_local.control.settings import PhaseMode
from custom_components.nexblue_local.modbus.registers import Reading
from custom_components.nexblue_local.phase_currents import LEAST_VOLTAGE, ChargerLoad
from custom_components.nexblue_local.site import (
    CONF_CAR_FIRST_ABOVE_SOC,
    CONF_EXPORT_KEPT,
    CONF_IMPORT_TOLERATED,
    CONF_RESTARTS,
    CONF_START_THRESHOLD,
    DEFAULTS,
    PINNED,
    SURPLUS_PHASE_MODES,
)
from custom_components.nexblue_local.site_config import ChargerConfig, SiteConfig
from custom_components.nexblue_local.site_meter import SiteMeter, number

from .pilot import Pilot
from .recorded import NotRecorded, Recorded, Report

TICK: Final = 5.0
"""s after which a decision is made without a report."""
TOGETHER: Final = 0.05
"""s within which reports belong together: there is one decision after them."""
CLOSE: Final = 1.0
"""A within which two limits count as the same."""
LAG: Final = 10.0
"""s in which a decision shows in the charger's limit."""

MEASURED: Final = (
    "power",
    *(f"{value}_l{n}" for value in ("power", "current", "voltage") for n in (1, 2, 3)),
)
KEYS: Final = (
    *MEASURED,
    "status",
    "active_current_limit",
    "active_phase_mode",
    "phase_mode",
    "charge_mode",
    "fast_until_unplugged",
    "current_limit",
    "limited_by",
)
"""The entities of a charger that are read."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A line for the pilot, and what was recorded at its time."""

    line: dict[str, Any]
    limit: float | None = None
    """The current limit that the charger had, in A."""
    limited_by: str | None = None


class History:
    """One charger of a site between two starts of Home Assistant."""

    def __init__(
        self, hass: HomeAssistant, recorded: Recorded, charger: Mapping[str, Any]
    ) -> None:
        """Initialize; raises NotRecorded."""
        self._hass = hass
        self._recorded = recorded
        self._charger = charger
        self._entities = recorded.entity_ids(charger)
        self._site = SiteConfig.from_answers(recorded.site["data"]["site"])
        self._config = ChargerConfig.from_options(charger["options"])

    def moments(self, begin: float, end: float) -> Iterator[Moment]:
        """Return the settings, and then what was known at each time of a decision."""
        meter = SiteMeter(self._hass, self._site)
        meters = meter.entity_ids | meter.device_entity_ids
        own = {self._entities[key] for key in KEYS if key in self._entities}
        reports = self._recorded.reports([*meters, *own], begin, end)
        if not any(report.entity_id in meters for report in reports):
            raise NotRecorded("nothing of the grid meter was recorded then")
        ticks = int((end - begin) / TICK)
        tick = [Report(begin + n * TICK, "", "", {}) for n in range(1, ticks + 1)]
        chosen: tuple[Any, ...] | None = None
        is_due = False
        ordered = sorted([*reports, *tick], key=lambda report: report.t)
        for report, following in zip_longest(ordered, ordered[1:]):
            if report.entity_id:
                self._hass.states.async_set(
                    report.entity_id,
                    report.state,
                    report.attributes,
                    timestamp=report.t,
                )
            is_due = is_due or report.entity_id not in own
            is_followed = following is not None and following.t - report.t < TOGETHER
            if not is_due or is_followed or self._state("status") is None:
                continue
            is_due = False
            now = datetime.fromtimestamp(report.t, UTC)
            with patch.object(dt_util, "utcnow", return_value=now):
                reading = self._reading(report.t, meter)
            wanted = (self._mode(), number(self._state("current_limit")))
            if chosen is None:
                yield Moment(self._settings(wanted[0]))
            if wanted != chosen:
                chosen = wanted
                reading["set"] = {
                    "mode": wanted[0],
                    "ceiling_a": {"charger": wanted[1]},
                }
            limited_by = self._state("limited_by")
            yield Moment(
                reading,
                number(self._state("active_current_limit")),
                None if limited_by is None else limited_by.state,
            )

    def _state(self, key: str) -> State | None:
        return self._hass.states.get(self._entities.get(key, f"sensor.no_{key}"))

    def _mode(self) -> str:
        if (fast := self._state("fast_until_unplugged")) and fast.state == "on":
            return "fast"
        mode = self._state("charge_mode")
        # It is unavailable while Home Assistant starts.
        is_known = mode is not None and mode.state not in ("unavailable", "unknown")
        return mode.state if mode is not None and is_known else "manual"

    def _settings(self, mode: str) -> dict[str, Any]:
        options = {**DEFAULTS, **self._recorded.site["options"]}
        config, site = self._config, self._site
        voltages = [number(self._state(f"voltage_l{n}")) for n in (2, 3)]
        has_three = any(v is None or v >= LEAST_VOLTAGE for v in voltages)
        is_pinned = self._recorded.desired(self._charger).get("phase_mode") in PINNED
        return {
            "pilot": 1,
            "mode": mode,
            "start_threshold_w": options[CONF_START_THRESHOLD],
            "export_kept_w": options[CONF_EXPORT_KEPT],
            "import_tolerated_w": options[CONF_IMPORT_TOLERATED],
            "restarts": options[CONF_RESTARTS],
            "fuse": None if site.main_fuse is None else {"main_a": site.main_fuse},
            "battery": None
            if site.battery is None
            else {"car_first_above_soc": options[CONF_CAR_FIRST_ABOVE_SOC]},
            "chargers": [
                {
                    "id": "charger",
                    "min_a": config.min_current,
                    "supply_phases": config.supply_phases or (3 if has_three else 1),
                    "can_switch": config.switch_phases and not is_pinned,
                    "rotation": config.rotation,
                    "phase_mode": self._phase_mode(),
                }
            ],
        }

    def _phase_mode(self) -> str:
        """Return the phases that the charger has, or else those that were requested."""
        for key in ("active_phase_mode", "phase_mode"):
            state = self._state(key)
            if state is not None and state.state in tuple(PhaseMode):
                return SURPLUS_PHASE_MODES[PhaseMode(state.state)]
        return "adaptive"

    def _reading(self, t: float, meter: SiteMeter) -> dict[str, Any]:
        values: dict[str, Any] = {key: number(self._state(key)) for key in MEASURED}
        self._complete(values)
        load = ChargerLoad.from_reading(Reading(**values), self._config)
        found = meter.read(t, [load])
        states = [self._state(key) for key in (*MEASURED, "status")]
        read_at = [
            state.last_reported_timestamp
            for state in states
            if state is not None and state.state not in ("unavailable", "unknown")
        ]
        status = self._state("status")
        assert status is not None
        known = {"unavailable": None, "unknown": None, "inoperative": "unavailable"}
        return {
            "t": t,
            "grid_w": found.grid_w,
            "grid_at": found.grid_at,
            "house_a": found.house_a,
            "house_at": found.house_at,
            "battery_w": found.battery_w,
            "battery_soc": found.battery_soc,
            "chargers": [
                {
                    "id": "charger",
                    "at": max(read_at, default=None),
                    "status": known.get(status.state, status.state),
                    **{
                        f"{name}_{unit}": [values[f"{name}_l{n}"] for n in (1, 2, 3)]
                        for name, unit in (
                            ("power", "w"),
                            ("current", "a"),
                            ("voltage", "v"),
                        )
                    },
                    "offered_a": number(self._state("active_current_limit")),
                    "phase_mode": self._phase_mode(),
                }
            ],
        }

    @staticmethod
    def _complete(values: dict[str, Any]) -> None:
        """Complete the phases whose sensors are disabled: as L1, or without current."""
        power, volts = values["power"] or 0.0, values["voltage_l1"] or 230.0
        amps = values["current_l1"] or 0.0
        phases = 3 if power > 2 * amps * volts else 1
        for n in (2, 3):
            if values[f"current_l{n}"] is None:
                values[f"current_l{n}"] = amps if phases == 3 else 0.0
        if None in (values["power_l1"], values["power_l2"], values["power_l3"]):
            for n in (1, 2, 3):
                is_used = n <= phases
                values[f"power_l{n}"] = power / phases if is_used else 0.0


@dataclass(slots=True)
class Table:
    """Decisions and what was recorded, printed where they change."""

    zone: tzinfo
    every_change: bool
    shown: tuple[Any, ...] = ()
    decided: tuple[float, float | None] = (0.0, None)
    """When the decision changed last, and to what."""
    same: float = 0.0
    total: float = 0.0
    last: float | None = None

    def add(self, moment: Moment, answer: Mapping[str, Any]) -> None:
        """Print a decision if it is another one, and compare it with the record."""
        t, (charger,) = answer["t"], answer["chargers"]
        amps, reason = charger["current_a"], charger["reason"]
        if amps != self.decided[1]:
            self.decided = (t, amps)
        self._compare(t, amps, moment.limit)
        change = (
            amps if self.every_change else amps == 0,
            charger["phase_mode"],
            reason,
            moment.limited_by,
        )
        if change == self.shown:
            return
        self.shown = change
        shown = [
            f"{datetime.fromtimestamp(t, self.zone):%H:%M:%S}",
            _amps(amps),
            reason,
            charger["phase_mode"] or "-",
            _amps(moment.limit),
            moment.limited_by or "-",
        ]
        print(ROW.format(*shown))

    def _compare(self, t: float, amps: float | None, limit: float | None) -> None:
        """Count for how long both are the same, apart from the moments of a change."""
        seconds, self.last = t - (t if self.last is None else self.last), t
        if amps is None or limit is None or t - self.decided[0] < LAG:
            return
        self.total += seconds
        self.same += seconds * (abs(amps - limit) <= CLOSE)


ROW: Final = "{:<10}{:>9}  {:<16}{:<10}{:>9}  {}"


def _amps(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} A"


def replay(history: History, begin: float, end: float, table: Table) -> None:
    """Print what is decided between two times; raises NotRecorded."""
    pilot = Pilot()
    for moment in history.moments(begin, end):
        answer = json.loads(pilot.answer(json.dumps(moment.line).encode()))
        if "error" in answer:
            raise NotRecorded(answer["error"])
        if "chargers" in answer:
            table.add(moment, answer)


def period(arguments: argparse.Namespace, recorded: Recorded) -> tuple[float, float]:
    """Return the first and the last time to replay; raises NotRecorded."""
    begin, end = (
        datetime.combine(arguments.day, at, recorded.time_zone).timestamp()
        for at in (arguments.begin, arguments.end)
    )
    if end <= begin:
        end += timedelta(days=1).total_seconds()
    end = min(end, recorded.last())
    if end <= begin:
        raise NotRecorded("nothing was recorded then")
    return begin, end


async def run(arguments: argparse.Namespace) -> None:
    """Print the lines or the table; raises NotRecorded."""
    recorded = Recorded(arguments.folder)
    titles = list(recorded.chargers)
    title = arguments.charger or (titles[0] if len(titles) == 1 else None)
    if title not in recorded.chargers:
        raise NotRecorded(f"choose a charger with --charger: {', '.join(titles)}")
    zone = recorded.time_zone
    begin, end = period(arguments, recorded)
    starts = recorded.starts(begin, end)
    if starts and arguments.lines:
        last = datetime.fromtimestamp(starts[-1], zone)
        raise NotRecorded(
            f"Home Assistant was started then; use --from {last:%H:%M:%S}"
        )
    parts = list(zip([begin, *starts], [*starts, end], strict=True))
    table = Table(zone, arguments.all)
    if not arguments.lines:
        print(
            ROW.format("time", "decided", "reason", "phases", "charger", "limited by")
        )
    missing: list[NotRecorded] = []
    for part in parts:
        async with home_assistant(arguments.folder) as hass:
            history = History(hass, recorded, recorded.chargers[title])
            try:
                if arguments.lines:
                    for moment in history.moments(*part):
                        print(json.dumps(moment.line))
                else:
                    if part is not parts[0]:
                        print("Home Assistant was started")
                    replay(history, *part, table)
            except NotRecorded as error:
                # It may have been set up on that day.
                missing.append(error)
    if len(missing) == len(parts):
        raise missing[0]
    if not arguments.lines and table.total:
        print(
            f"The charger had the limit that was decided, within {CLOSE:.0f} A, in"
            f" {table.same / table.total:.0%} of the time."
        )


@asynccontextmanager
async def home_assistant(folder: Path) -> AsyncIterator[HomeAssistant]:
    """Return a Home Assistant with the registries of a folder, which it does not run."""
    hass = HomeAssistant(str(folder))
    try:
        hass.config_entries = ConfigEntries(hass, {})
        await hass.config_entries.async_initialize()
        dr.async_setup(hass)
        await dr.async_load(hass)
        await er.async_load(hass)
        yield hass
    finally:
        await hass.async_stop(force=True)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Return the parsed arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds .storage and the database")
    parser.add_argument(
        "--day",
        type=lambda text: datetime.strptime(text, "%Y-%m-%d").date(),  # noqa: DTZ007
        required=True,
        help="for example 2026-11-25",
    )
    parser.add_argument(
        "--from", dest="begin", type=time.fromisoformat, default="00:00"
    )
    parser.add_argument("--to", dest="end", type=time.fromisoformat, default="00:00")
    parser.add_argument("--charger", help="its name, if there are several")
    parser.add_argument("--all", action="store_true", help="each change of the current")
    parser.add_argument(
        "--lines", action="store_true", help="input of benchmarks.pilot"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Replay from the command line."""
    try:
        asyncio.run(run(parsed(sys.argv[1:])))
    except NotRecorded as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
