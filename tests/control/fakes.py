"""A charger and its link for tests of control, without sockets.

They follow the vendor's document, and share no code with modbus/ or the simulator.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
import math
from typing import Any

from custom_components.nexblue_local.control.controller import Controller
from custom_components.nexblue_local.control.environment import Environment
from custom_components.nexblue_local.control.link import (
    Busy,
    LinkError,
    Lost,
    Observation,
    Refused,
    Status,
)
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
)
from custom_components.nexblue_local.control.state import ControlState
from custom_components.nexblue_local.control.timing import Timing

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)

DEFAULTS = Settings(
    current_limit=16.0,
    fallback_limit=6.0,
    fallback_timeout=300,
    phase_mode=PhaseMode.ADAPTIVE,
    start_stop=StartStop.START,
)


class Fault(Enum):
    """What happens to a write."""

    BUSY = auto()
    REFUSED = auto()
    IGNORED = auto()
    """Acknowledged, but the setting stays; a limit restarts the fallback timeout."""
    LATE = auto()
    """The setting reads as before for some seconds."""
    NEVER_SENT = auto()
    """The connection is lost before it."""
    UNANSWERED = auto()
    """Executed, and the connection is lost before the answer."""
    REDUCED = auto()
    """The charger takes half of it."""


def now() -> float:
    """Return the time of the event loop."""
    return asyncio.get_running_loop().time()


@dataclass
class FakeCharger:
    """A charger that does what the vendor's document says."""

    settings: Settings = DEFAULTS
    has_car: bool = False
    session_energy: float = 0.0
    written_at: float | None = None
    step: float = 0.0
    """Step in A to which a current limit is rounded, 0 for none."""
    rounds_up: bool = False
    offers: float = math.inf
    """What load balancing and the app leave, in A; register 1000 shows no more."""
    shows_offered: bool = False
    """Register 1000 shows 0 while there is no vehicle."""
    starts_when_unplugged: bool = False
    version: str = "1.0"
    late: deque[tuple[float, Setting, Value]] = field(default_factory=deque)
    writes: list[tuple[float, Setting, Value]] = field(default_factory=list)
    """What was executed, with its time."""

    @property
    def is_fallback_active(self) -> bool:
        """Return whether nobody wrote the current limit for the timeout."""
        timeout = self.settings.fallback_timeout
        assert timeout is not None
        return self.written_at is not None and now() - self.written_at >= timeout

    def power_cycle(self) -> None:
        """Lose all settings."""
        self.settings, self.written_at = DEFAULTS, None
        self.late.clear()

    def plug_in(self) -> None:
        """Begin a session."""
        self.has_car, self.session_energy = True, 0.0

    def unplug(self) -> None:
        """End the session."""
        self.has_car = False
        if self.starts_when_unplugged:
            self.settings = self.settings.with_value(
                Setting.START_STOP, StartStop.START
            )

    def read(self) -> Settings:
        """Return the settings as they read."""
        shown = self.settings
        while self.late and self.late[0][0] <= now():
            self.late.popleft()
        for _, setting, value in reversed(self.late):
            shown = shown.with_value(setting, value)
        limit = shown.current_limit
        assert limit is not None
        offers = 0.0 if self.shows_offered and not self.has_car else self.offers
        return shown.with_value(Setting.CURRENT_LIMIT, min(limit, offers))

    def execute(self, setting: Setting, value: Value) -> None:
        """Take a setting."""
        self.writes.append((now(), setting, value))
        if self.step and setting is Setting.CURRENT_LIMIT and isinstance(value, float):
            to_step = math.ceil if self.rounds_up else math.floor
            value = to_step(round(value / self.step, 6)) * self.step
        self.settings = self.settings.with_value(setting, value)
        if setting is Setting.CURRENT_LIMIT:
            self.written_at = now()

    def ignore(self, setting: Setting) -> None:
        """Keep a setting; whoever writes the current limit is there all the same."""
        if setting is Setting.CURRENT_LIMIT and self.written_at is not None:
            self.written_at = now()

    def observe(self) -> Observation:
        """Return what is read at a poll."""
        if self.has_car:
            self.session_energy += 0.01
        return Observation(
            status=Status.CHARGING if self.has_car else Status.AVAILABLE,
            settings=self.read(),
            session_energy=self.session_energy,
            is_fallback_active=self.is_fallback_active,
            version=self.version,
        )


class FakeConnection:
    """A connection to the fake charger."""

    def __init__(self, link: FakeLink) -> None:
        """Initialize an open connection."""
        self._link = link
        self.is_over = False

    def _check(self) -> None:
        if self.is_over or not self._link.is_up:
            self.is_over = True
            raise Lost("connection_cut")

    async def _request(self) -> None:
        await asyncio.sleep(self._link.latency)
        self._check()

    async def check_writable(self) -> None:
        """Raise if the connection is over."""
        self._check()

    async def read_settings(self) -> Settings:
        """Read the settings."""
        await self._request()
        error = self._link.read_errors.popleft() if self._link.read_errors else None
        if error is not None:
            raise error
        self._link.settings = self._link.charger.read()
        return self._link.settings

    async def write(self, setting: Setting, value: Value) -> None:
        """Write a setting, with the fault that is due."""
        await self._request()
        charger = self._link.charger
        fault = self._link.fault_of(setting)
        match fault:
            case Fault.BUSY:
                raise Busy("refused", "exception code 6")
            case Fault.REFUSED:
                raise Refused("refused", "exception code 4")
            case Fault.IGNORED:
                charger.ignore(setting)
                return
            case Fault.NEVER_SENT:
                self.is_over = True
                raise Lost("connection_cut")
            case Fault.LATE:
                before = charger.settings[setting]
                assert before is not None
                charger.late.append((now() + 2.0, setting, before))
            case Fault.REDUCED if isinstance(value, float) and value > 0:
                value = round(value / 2, 1)
        charger.execute(setting, value)
        if fault is Fault.UNANSWERED:
            self.is_over = True
            raise Lost("no_answer")


class FakeLink:
    """A link to the fake charger, which can go down."""

    def __init__(self, charger: FakeCharger) -> None:
        """Initialize a link that is up."""
        self.charger = charger
        self.is_up = True
        self.latency = 0.01
        self.observing_takes = 0.0
        self.faults: deque[Fault | None] = deque()
        """What happens to the next writes."""
        self.read_errors: deque[LinkError | None] = deque()
        """What happens to the next reads of the settings."""
        self.connect_errors: deque[LinkError] = deque()
        """Why the next connections are not made."""
        self.attempts: list[tuple[float, bool]] = []
        """When somebody connected, and whether patiently."""
        self.lasting_faults: dict[Setting, Fault] = {}
        """What happens to each write of a setting otherwise."""
        self.chance: Callable[[], Fault | None] = lambda: None
        """What happens to any other write."""
        self.settings = Settings()
        self.capabilities: AbstractSet[Setting] = frozenset(Setting)
        self.connection_class = FakeConnection
        self.connection: FakeConnection | None = None

    def fault_of(self, setting: Setting) -> Fault | None:
        """Return what happens to a write."""
        if self.faults and (fault := self.faults.popleft()) is not None:
            return fault
        return self.lasting_faults.get(setting) or self.chance()

    async def connect(self, *, patient: bool = True) -> FakeConnection:
        """Return the open connection, or a new one."""
        await asyncio.sleep(0)
        is_open = self.connection is not None and not self.connection.is_over
        if not (is_open and self.is_up):
            self.attempts.append((now(), patient))
        if not self.is_up:
            self.disconnect()
            raise LinkError("cannot_connect")
        if self.connection is None or self.connection.is_over:
            if self.connect_errors:
                raise self.connect_errors.popleft()
            self.connection = self.connection_class(self)
            await self.connection.read_settings()
        return self.connection

    async def observe(self) -> Observation:
        """Read the charger."""
        connection = await self.connect(patient=False)
        await connection.read_settings()
        await asyncio.sleep(self.observing_takes)
        return self.charger.observe()

    def disconnect(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.is_over = True
            self.connection = None

    def cut(self) -> None:
        """Lose the connection, which can be made again at once."""
        self.disconnect()


class FakeNotifier:
    """Remembers what is reported."""

    name = "charger"

    def __init__(self) -> None:
        """Initialize without a report."""
        self.events: list[tuple[str, Any]] = []
        self.updates: list[bool] = []

    def updated(self, *, is_fresh: bool) -> None:
        """Remember an update."""
        self.updates.append(is_fresh)

    def restored(self, settings: Sequence[Setting]) -> None:
        """Remember restored settings."""
        self.events.append(("restored", list(settings)))

    def limit_expired(self, limit: float) -> None:
        """Remember an expired limit."""
        self.events.append(("limit_expired", limit))

    def fallback_engaged(self) -> None:
        """Remember a fallback."""
        self.events.append(("fallback_engaged", None))

    def warn(self, text: str) -> None:
        """Remember a warning."""
        self.events.append(("warn", text))


class Rig:
    """A controller on a fake charger."""

    def __init__(self, charger: FakeCharger | None = None, **timing: Any) -> None:
        """Initialize everything; `timing` overrides durations."""
        self.charger = charger or FakeCharger()
        self.link = FakeLink(self.charger)
        self.timing = Timing(**timing)
        self.wall_offset = 0.0
        self.stored: dict[str, Any] | None = None
        self.save_takes = 0.0
        self.notifier = FakeNotifier()
        self.tasks: list[asyncio.Task[None]] = []
        self.start()

    @property
    def state(self) -> ControlState:
        """Return what control knows."""
        return self.controller.state

    @property
    def desired(self) -> Settings:
        """Return what was requested."""
        return self.controller.state.desired

    def wall(self) -> datetime:
        """Return the time of the wall clock."""
        return EPOCH + timedelta(seconds=now() + self.wall_offset)

    async def save(self, record: dict[str, Any]) -> None:
        """Store the state."""
        if self.save_takes:
            await asyncio.sleep(self.save_takes)
        self.stored = record

    def run_task(self, task: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of the controller."""
        self.tasks.append(asyncio.get_running_loop().create_task(task))
        return self.tasks[-1]

    def start(self) -> None:
        """Start Home Assistant, with what was stored."""
        self.controller = Controller(
            self.link,
            Environment(
                notifier=self.notifier,
                now=self.wall,
                save=self.save,
                start=self.run_task,
                timing=self.timing,
            ),
            ControlState()
            if self.stored is None
            else ControlState.from_dict(self.stored),
        )

    def kill(self) -> None:
        """Stop Home Assistant without a warning."""
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()
        self.link.disconnect()

    async def poll(self) -> None:
        """Poll the charger once, as the coordinator does."""
        try:
            observation = await self.link.observe()
        except LinkError:
            return
        await self.controller.observe(observation)

    async def run_for(self, seconds: float, every: float = 5.0) -> None:
        """Poll for some time."""
        end = now() + seconds
        while now() < end:
            await asyncio.sleep(min(every, end - now()))
            await self.poll()

    async def set(self, **wanted: Any) -> None:
        """Request settings."""
        await self.controller.set(Settings(**wanted))

    def written_at(self, setting: Setting = Setting.CURRENT_LIMIT) -> list[float]:
        """Return the times of the executed writes of a setting."""
        return [at for at, written, _ in self.charger.writes if written is setting]

    def written(self, setting: Setting) -> list[Value]:
        """Return the executed writes of a setting."""
        return [
            value for _, written, value in self.charger.writes if written is setting
        ]


type Scenario = Callable[[Rig], Coroutine[Any, Any, None]]
