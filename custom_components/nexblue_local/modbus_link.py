"""Adapter that makes a Modbus client the link of control."""

from collections.abc import Iterator, Set as AbstractSet
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from .control.link import Busy, LinkError, Lost, Observation, Refused, Status
from .control.settings import PhaseMode, Setting, Settings, StartStop, Value
from .modbus import enums, errors, registers
from .modbus.client import Client
from .modbus.model import Register
from .modbus.session import Session
from .modbus.snapshot import Snapshot

LEAVE_ALONE: Final = 10.0
"""Seconds for which another client, or another device, is left alone."""

REGISTERS: Final[dict[Setting, Register[Any]]] = {
    setting: registers.Settings.registers[setting] for setting in Setting
}

# How long another attempt would fail, or would disturb.
RETRY_AFTER: Final = (errors.BadAnswer, errors.InUse, errors.WrongCharger)
LOST: Final = (errors.BadAnswer, errors.ConnectionCut, errors.NoAnswer)


@contextmanager
def _link_errors(*, is_shared: bool = False) -> Iterator[None]:
    """Raise the errors of Modbus as those of a link, which others may share."""
    try:
        yield
    except errors.ChargerError as error:
        text = (error.key, str(error))
        disturbs = isinstance(error, RETRY_AFTER) or (
            # A request without an answer ends the connection of the others.
            is_shared and isinstance(error, errors.NoAnswer)
        )
        retry_after = LEAVE_ALONE if disturbs else None
        match error:
            case errors.Refused(is_busy=True):
                raise Busy(*text) from error
            case errors.Refused():
                raise Refused(*text) from error
            case errors.ConnectionReleased(seconds=seconds):
                raise LinkError(*text, retry_after=seconds) from error
        if isinstance(error, LOST):
            raise Lost(*text, retry_after=retry_after) from error
        raise LinkError(*text, retry_after=retry_after) from error


# They are asked for often, and change seldom.
@lru_cache(maxsize=128)
def control_settings(settings: registers.Settings) -> Settings:
    """Return the settings of registers 1000-1007 as control knows them."""
    mode, command = settings.phase_mode, settings.start_stop
    return Settings(
        current_limit=settings.current_limit,
        fallback_limit=settings.fallback_limit,
        fallback_timeout=settings.fallback_timeout,
        phase_mode=None if mode is None else PhaseMode(mode.name.lower()),
        start_stop=None if command is None else StartStop(command.name.lower()),
    )


def observation(snapshot: Snapshot) -> Observation:
    """Return what control needs of a snapshot."""
    identity, reading = snapshot.identity, snapshot.reading
    reasons = reading.waiting_reasons
    return Observation(
        status=None if reading.status is None else Status(reading.status.name.lower()),
        settings=control_settings(snapshot.settings),
        session_energy=snapshot.session_energy_read,
        is_fallback_active=None
        if reasons is None
        else enums.WaitingReasons.MODBUS_FALLBACK in reasons,
        # Text that could not be read is no other version.
        version=None
        if identity.firmware_version is None
        else f"{identity.firmware_version} {identity.mapping_version}",
    )


def _register_value(value: Value) -> Any:
    match value:
        case PhaseMode():
            return enums.PhaseMode[value.name]
        case StartStop():
            return enums.StartStop[value.name]
        case _:
            return value


class ModbusConnection:
    """An identified session, as a connection of control."""

    def __init__(self, session: Session) -> None:
        """Initialize the connection."""
        self.session = session

    @property
    def is_over(self) -> bool:
        """Return whether the session is over."""
        return self.session.is_over

    async def write(self, setting: Setting, value: Value) -> None:
        """Write a register from 1000 to 1007; raises LinkError."""
        with _link_errors():
            await self.session.write(REGISTERS[setting], _register_value(value))

    async def check_writable(self) -> None:
        """Raise LinkError if a write would fail before it is sent."""
        with _link_errors():
            await self.session.check_writable()

    async def read_settings(self) -> Settings:
        """Read holding registers 1000-1007; raises LinkError."""
        with _link_errors():
            return control_settings(await self.session.read_settings())


class ModbusLink:
    """A Modbus client, as a link of control."""

    capabilities: AbstractSet[Setting] = frozenset(Setting)

    def __init__(self, client: Client) -> None:
        """Initialize the link."""
        self._client = client
        self._connection: ModbusConnection | None = None
        self.snapshot: Snapshot | None = None
        """What control read last."""

    @property
    def settings(self) -> Settings:
        """Return the settings as they were last read."""
        return control_settings(self._client.settings)

    async def connect(self, *, patient: bool = True) -> ModbusConnection:
        """Return the identified session, or connect; raises LinkError."""
        with _link_errors(is_shared=self._client.shares_connection):
            session = await self._client.connect(patient=patient)
        if self._connection is None or self._connection.session is not session:
            self._connection = ModbusConnection(session)
        return self._connection

    async def observe(self) -> Observation:
        """Poll the charger; raises LinkError."""
        with _link_errors(is_shared=self._client.shares_connection):
            self.snapshot = await self._client.poll()
        return observation(self.snapshot)

    def disconnect(self) -> None:
        """Close the connection."""
        self._client.disconnect()
