"""The site: decides for all chargers, from what the meters of the house say."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import sun
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_state_report_event,
    async_track_time_interval,
)
from homeassistant.util import dt as dt_util

from .charging import PHASE_MODES
from .const import DOMAIN, LOGGER
from .control.phase_budget import PhaseBudget
from .control.settings import PhaseMode
from .coordinator import NexBlueRuntimeData, async_loaded_modbus
from .house_power import HousePower
from .ledger.sources import Mix
from .modbus.enums import ChargePointState
from .modbus.snapshot import Snapshot
from .modbus_link import control_settings
from .phase_currents import LEAST_VOLTAGE, ChargerLoad
from .repairs import (
    async_create_fuse_issue,
    async_create_sign_issue,
    async_delete_sign_issues,
)
from .sign_watch import SignWatch
from .site_config import SiteConfig, is_charger
from .site_meter import MeterReading, SiteMeter
from .surplus.charger import OLDEST_READ
from .surplus.controller import Controller
from .surplus.decision import ChargerDecision, Decision
from .surplus.meter import MeterState
from .surplus.readings import ChargerReading, Reading, Status
from .surplus.settings import (
    Battery,
    ChargerSettings,
    Fuse,
    PhaseMode as SurplusPhaseMode,
    Restarts,
    Settings,
)

DECIDE_EVERY: Final = timedelta(seconds=5)
READ_EVERY: Final = 1.0
"""Seconds between two decisions because of chargers that were read.

Each decision is about all chargers: with many, one for each read would cost too much.
"""
PUBLISH_AFTER: Final = 1.0
"""Seconds from a decision to the states of the site's sensors.

Reports that belong together, such as those of sun and grid, come one after the other.
"""
WATCH_EVERY: Final = 10.0
"""Seconds between two looks at the signs."""
LONGEST_STEP: Final = 60.0
"""Seconds; over a longer time without a decision, no energy is counted."""

STATUSES: Final = {
    status: Status(
        "unavailable" if status is ChargePointState.INOPERATIVE else status.name.lower()
    )
    for status in ChargePointState
}
SURPLUS_PHASE_MODES: Final = {mode: shown for shown, mode in PHASE_MODES.items()}
PINNED: Final = (PhaseMode.SINGLE_PHASE, PhaseMode.THREE_PHASE)
"""Phase modes that the surplus controller leaves alone if the user chose them."""

CONF_START_THRESHOLD: Final = "start_threshold"
CONF_EXPORT_KEPT: Final = "export_kept"
CONF_IMPORT_TOLERATED: Final = "import_tolerated"
CONF_CAR_FIRST_ABOVE_SOC: Final = "car_first_above_soc"
CONF_RESTARTS: Final = "restarts"

DEFAULTS: Final[dict[str, Any]] = {
    CONF_START_THRESHOLD: 0.0,
    CONF_EXPORT_KEPT: 0.0,
    CONF_IMPORT_TOLERATED: 0.0,
    CONF_CAR_FIRST_ABOVE_SOC: 100.0,
    CONF_RESTARTS: Restarts.BALANCED,
}
"""What the user can change at the site's device; the rest are entry options."""

type SiteConfigEntry = ConfigEntry[Site]


class Member:
    """A charger of the site.

    What was read is converted once, because the meter reports more often.
    """

    def __init__(self, entry_id: str, runtime: NexBlueRuntimeData) -> None:
        """Initialize the member for a charger that is set up."""
        self.id = entry_id
        self.runtime = runtime
        self.charging = runtime.controller.charging
        self.control = runtime.controller.control
        self.unsubscribe: CALLBACK_TYPE = lambda: None
        self._switches = _switches(self.control.state.phases.budget)
        self._data: Snapshot | None = None
        self._settings: ChargerSettings | None = None
        self._choices: tuple[Any, ...] = ()

    def update(self, t: float) -> None:
        """Convert what was read of the charger until a time in s, if that is new."""
        data = self.runtime.coordinator.data
        if data is self._data:
            return
        self._data, values = data, data.reading
        settings = control_settings(data.settings)
        self.read_at = t - self.runtime.coordinator.age
        self.power_w = max(0.0, values.power or 0.0)
        self.load = ChargerLoad.from_reading(values, self.charging.config)
        others = (values.voltage_l2, values.voltage_l3)
        self._has_three_phases = any(v is None or v >= LEAST_VOLTAGE for v in others)
        powers = (values.power_l1, values.power_l2, values.power_l3)
        if None in powers:
            powers = (values.power, 0.0, 0.0)
        mode = settings.phase_mode
        self.reading = ChargerReading(
            id=self.id,
            at=self.read_at,
            status=None if values.status is None else STATUSES[values.status],
            power_w=powers,
            current_a=(values.current_l1, values.current_l2, values.current_l3),
            voltage_v=(values.voltage_l1, values.voltage_l2, values.voltage_l3),
            offered_a=settings.current_limit,
            phase_mode=None if mode is None else SURPLUS_PHASE_MODES[mode],
        )

    def settings(self) -> ChargerSettings:
        """Return the settings of the charger as they are now."""
        charging, config = self.charging, self.charging.config
        ceiling = charging.ceiling
        choices = (
            charging.mode,
            charging.ceiling_to_adopt if ceiling is None else ceiling,
            config.supply_phases or (3 if self._has_three_phases else 1),
            config.switch_phases
            and self.control.state.desired.phase_mode not in PINNED,
        )
        if self._settings is None or choices != self._choices:
            self._choices = choices
            mode, ceiling_a, supply_phases, can_switch = choices
            self._settings = ChargerSettings(
                id=self.id,
                mode=mode,
                ceiling_a=ceiling_a,
                min_a=config.min_current,
                supply_phases=supply_phases,
                can_switch=can_switch,
                rotation=config.rotation,
                phase_mode=self.reading.phase_mode or SurplusPhaseMode.ADAPTIVE,
                switches=self._switches,
            )
        return self._settings


class Site:
    """The site that is set up."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
        """Initialize; see `async_start`."""
        self.config = SiteConfig.from_entry(entry)
        self.reading = MeterReading()
        self.currency: str | None = None
        """Currency of the price, None until it is known."""
        self._hass = hass
        self._entry = entry
        self._meter = SiteMeter(hass, self.config)
        self._members: dict[str, Member] = {}
        self._controller = Controller(self._settings())
        self._decided_at = monotonic()
        self._price: float | None = None
        """The last price of 1 kWh that was known; it applies until the next one."""
        self._is_due = False
        self._has_failed = False
        self._due_later: asyncio.TimerHandle | None = None
        self._to_show: dict[str, Member] = {}
        """Chargers whose entities do not show the present reason yet, by ID."""
        self._listeners: list[Callable[[], None]] = []
        self._house = HousePower()
        self._to_publish: asyncio.TimerHandle | None = None
        self._signs = SignWatch()
        self._watched_at = 0.0
        self._unsubscribes: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Begin to decide."""
        hass = self._hass
        entity_ids = self._meter.entity_ids | self._meter.device_entity_ids
        self._unsubscribes = [
            async_track_state_change_event(hass, entity_ids, self._reported),
            # Without this, a value that stays the same would seem to be old.
            async_track_state_report_event(hass, entity_ids, self._reported),
            async_track_time_interval(
                hass, self._tick, DECIDE_EVERY, cancel_on_shutdown=True
            ),
            async_dispatcher_connect(
                hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed
            ),
        ]
        await self._async_update_members()
        self.async_decide()

    @callback
    def async_stop(self) -> None:
        """Stop deciding; the chargers keep their limits for a time."""
        self._cancel_later()
        self._to_show.clear()
        while self._unsubscribes:
            self._unsubscribes.pop()()
        self._cancel_publish()
        for member in self._members.values():
            member.unsubscribe()
            member.charging.leave()
        self._members.clear()

    # What the entities of the site show and change.

    @property
    def meter_state(self) -> MeterState:
        """Return whether the grid meter can be relied on."""
        return self._controller.meter_state

    @property
    def entity_ids(self) -> frozenset[str]:
        """Return all entities that matter to it, also those that it found by itself."""
        return self.config.entity_ids | self._meter.device_entity_ids

    @property
    def surplus_w(self) -> float | None:
        """Return the power in W that cars could use without import."""
        return self._controller.surplus_w

    @property
    def house_w(self) -> float | None:
        """Return the power in W that the house uses without the cars."""
        return self._house.value

    def _house_w(self) -> float | None:
        """Return that power as it follows from what was read last.

        It is negative after a car started that the meter does not show yet.
        """
        reading = self.reading
        if reading.grid_w is None or reading.solar_w is None:
            return None
        members = self._members.values()
        # What was read last of a charger says nothing about its power since.
        if not all(each.runtime.coordinator.last_update_success for each in members):
            return None
        supplied = reading.grid_w + reading.solar_w + (reading.battery_w or 0.0)
        return supplied - sum(each.power_w for each in members)

    @property
    def fuse_headroom(self) -> float | None:
        """Return the current in A that is left on the phase with the highest one."""
        currents = [a for a in self.reading.house_a or () if a is not None]
        if self.config.main_fuse is None or not currents:
            return None
        return self.config.main_fuse - max(currents)

    def option(self, key: str) -> Any:
        """Return what the user chose, or its default."""
        return self._entry.options.get(key, DEFAULTS[key])

    @callback
    def async_set_option(self, key: str, value: Any) -> None:
        """Store what the user chose, and apply it."""
        options = {**self._entry.options, key: value}
        self._hass.config_entries.async_update_entry(self._entry, options=options)
        self.async_decide()
        self._publish()

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call a listener when the sensors have something to show."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def as_dict(self) -> dict[str, Any]:
        """Return the state for diagnostics."""
        now = monotonic()
        reading = self.reading
        return {
            "meter_state": self.meter_state.name.lower(),
            "surplus_w": self.surplus_w,
            "grid_w": reading.grid_w,
            "grid_age": None if reading.grid_at is None else now - reading.grid_at,
            "house_a": reading.house_a,
            "house_age": None if reading.house_at is None else now - reading.house_at,
            "battery_w": reading.battery_w,
            "battery_soc": reading.battery_soc,
            "solar_w": reading.solar_w,
            "price": self._price,
            "unsigned_phases": reading.unsigned_phases,
            "chargers": [
                {
                    "mode": member.charging.mode,
                    "reason": member.charging.reason,
                    "effective_limit": member.control.state.limits.effective,
                }
                for member in self._members.values()
            ],
        }

    # When it decides.

    @callback
    def _reported(self, _: Event[Any]) -> None:
        """Decide after a report, once for all that are made at the same time."""
        self._decide_soon()

    @callback
    def _charger_read(self) -> None:
        """Decide after a charger was read, but not more often than READ_EVERY."""
        wait = self._decided_at + READ_EVERY - monotonic()
        if wait <= 0:
            self._decide_soon()
        elif self._due_later is None:
            self._due_later = self._hass.loop.call_later(wait, self._decide_soon)

    def _cancel_later(self) -> None:
        if self._due_later is not None:
            self._due_later.cancel()
            self._due_later = None

    @callback
    def _decide_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._hass.loop.call_soon(self._decide_if_due)

    @callback
    def _decide_if_due(self) -> None:
        if self._is_due and self._unsubscribes:
            self.async_decide()

    @callback
    def _tick(self, _: datetime) -> None:
        self.async_decide()

    @callback
    def async_decide(self) -> None:
        """Decide now, and hand the decisions to the chargers."""
        self._is_due = False
        self._cancel_later()
        t = monotonic()
        for each in self._members.values():
            each.update(t)
        members = self._members.values()
        # A charger that was read long ago counts as a load of the house.
        read = [each for each in members if t - each.read_at <= OLDEST_READ]
        loads = [each.load for each in read or members]
        self.reading = reading = self._meter.read(t, loads)
        if (settings := self._settings()) != self._controller.settings:
            self._controller.configure(settings)
        if reading.price is not None:
            self._price, self.currency = reading.price, reading.currency
        self._count_energy(t)
        self._watch_signs(t)
        decision = self._decision(
            Reading(
                t=t,
                grid_w=reading.grid_w,
                grid_at=reading.grid_at,
                house_a=reading.house_a,
                house_at=reading.house_at,
                battery_w=reading.battery_w,
                battery_soc=reading.battery_soc,
                chargers=tuple(each.reading for each in members),
            )
        )
        if decision is None:
            for member in members:
                member.charging.lose()
        now = dt_util.utcnow()
        for answer in () if decision is None else decision.chargers:
            member = self._members[answer.id]
            if member.charging.apply(answer, _next_change(answer, t, now)):
                self._show_soon(member)
        if self._to_publish is None:
            self._to_publish = self._hass.loop.call_later(PUBLISH_AFTER, self._publish)

    def _decision(self, reading: Reading) -> Decision | None:
        """Return the decision, None if that failed: an old one must not stay in force."""
        try:
            decision = self._controller.decide(reading)
        except Exception:  # noqa: BLE001 (a fault of our own; the fuse needs a limit)
            if not self._has_failed:
                LOGGER.exception("Nothing can be decided: chargers are limited")
            self._has_failed = True
            return None
        self._has_failed = False
        return decision

    def _show_soon(self, member: Member) -> None:
        """Show another reason at a charger's entities."""
        if not self._to_show:
            self._hass.loop.call_soon(self._show_next)
        self._to_show[member.id] = member

    @callback
    def _show_next(self) -> None:
        """Show it at one charger; the event loop is free before the next one."""
        if not self._to_show:
            # The site was stopped.
            return
        member = self._to_show.pop(next(iter(self._to_show)))
        if self._members.get(member.id) is member:
            member.runtime.coordinator.async_publish(None)
        if self._to_show:
            self._hass.loop.call_soon(self._show_next)

    def _cancel_publish(self) -> None:
        if self._to_publish is not None:
            self._to_publish.cancel()
            self._to_publish = None

    @callback
    def _publish(self) -> None:
        """Show the states of the site's sensors."""
        self._cancel_publish()
        self._house.update(self.reading.grid_at, self._house_w())
        for listener in self._listeners.copy():
            listener()

    def _count_energy(self, t: float) -> None:
        """Note where the energy of the cars since the last decision came from."""
        seconds, self._decided_at = t - self._decided_at, t
        if self.reading.grid_w is None or seconds > LONGEST_STEP:
            return
        # What a meter showed before it was silent says nothing about now.
        if self.meter_state is not MeterState.VALID:
            return
        # What was read last of the others says nothing about their power since.
        read = [
            each
            for each in self._members.values()
            if each.runtime.coordinator.last_update_success
        ]
        total = sum(each.power_w for each in read)
        if total <= 0:
            return
        mix = Mix.of(total, self.reading.grid_w, self.reading.battery_w or 0.0)
        for each in read:
            energy = each.power_w * seconds / 3600
            each.runtime.recorder.supply(energy, mix, self._price)

    def _watch_signs(self, t: float) -> None:
        """Tell the user about a sign that has turned out to be wrong."""
        if t - self._watched_at < WATCH_EVERY:
            return
        self._watched_at = t
        members = self._members.values()
        car_w = sum(each.power_w for each in members)
        is_known = (
            self.meter_state is MeterState.VALID
            and car_w > 0
            and all(each.runtime.coordinator.last_update_success for each in members)
        )
        watch, before = self._signs, self._signs.wrong
        # Where the sun is takes long to calculate.
        is_dark = is_known and not sun.is_up(self._hass)
        watch.update(t, self.reading, car_w if is_dark else 0.0)
        if watch.wrong == before:
            return
        async_delete_sign_issues(self._hass)
        if watch.wrong is not None:
            async_create_sign_issue(self._hass, self._entry, watch.wrong)

    # What it consists of.

    def _settings(self) -> Settings:
        """Return the settings of the surplus controller as they are now."""
        config = self.config
        return Settings(
            chargers=tuple(each.settings() for each in self._members.values()),
            start_threshold_w=self.option(CONF_START_THRESHOLD),
            export_kept_w=self.option(CONF_EXPORT_KEPT),
            import_tolerated_w=self.option(CONF_IMPORT_TOLERATED),
            fuse=None if config.main_fuse is None else Fuse(main_a=config.main_fuse),
            battery=None
            if config.battery is None
            else Battery(car_first_above_soc=self.option(CONF_CAR_FIRST_ABOVE_SOC)),
            restarts=Restarts(self.option(CONF_RESTARTS)),
        )

    @callback
    def _entry_changed(self, _: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        """Notice chargers that were set up or unloaded."""
        if entry.domain == DOMAIN and is_charger(entry):
            self._entry.async_create_task(self._hass, self._async_update_members())

    async def _async_update_members(self) -> None:
        """Have the chargers that are loaded as members, in the order of priority."""
        entries = async_loaded_modbus(self._hass)
        before, self._members = self._members, {}
        entries.sort(
            key=lambda entry: -entry.runtime_data.controller.charging.config.priority
        )
        joined = []
        for entry in entries:
            runtime = entry.runtime_data
            member = before.pop(entry.entry_id, None)
            if member is None or member.runtime is not runtime:
                if member is not None:
                    member.unsubscribe()
                member = Member(entry.entry_id, runtime)
                member.update(monotonic())
                member.unsubscribe = runtime.coordinator.async_add_listener(
                    self._charger_read
                )
                joined.append(member)
            self._members[entry.entry_id] = member
        for member in before.values():
            member.unsubscribe()
        for member in joined:
            # The site may have been stopped meanwhile.
            if self._members.get(member.id) is member:
                await member.charging.async_join(
                    self.async_decide, has_fuse=self.config.main_fuse is not None
                )
        if joined and self._members:
            self.async_decide()


async def async_end_site(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """End what a site decided that was removed or disabled.

    Chargers that are not set up notice it when they are.
    """
    for charger in async_loaded_modbus(hass):
        await charger.runtime_data.controller.charging.async_end()
    async_delete_sign_issues(hass)
    if SiteConfig.from_entry(entry).main_fuse is not None:
        async_create_fuse_issue(hass)


def _switches(budget: PhaseBudget) -> tuple[float, ...]:
    """Return when the phases were switched, on the monotonic clock."""
    t, now = monotonic(), dt_util.utcnow()
    return tuple(t - (now - at).total_seconds() for _, at in budget.switches)


def _next_change(each: ChargerDecision, t: float, now: datetime) -> datetime | None:
    """Return the time of the next change on the wall clock."""
    if each.next_transition_at is None:
        return None
    return now + timedelta(seconds=each.next_transition_at - t)
