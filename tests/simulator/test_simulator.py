"""The simulated charger behaves as the document and the facts say."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
import math

import pytest

from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState,
    ChargerErrors,
    PhaseMode,
    StartStop,
    WaitingReasons,
)
from custom_components.nexblue_local.modbus.model import Register
from custom_components.nexblue_local.modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
    Clock,
    Reading,
    Settings,
)
from custom_components.nexblue_local.modbus.transport import Connection
from simulator import Car, Fault, FaultKind, Ocpp, SimulatedCharger, Simulator
from simulator.charger import Refusal


class Time:
    """A clock that is driven."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def time() -> Time:
    """Return the clock of the charger."""
    return Time()


@pytest.fixture
def charger(time: Time) -> SimulatedCharger:
    """Return a charger on a driven clock."""
    return SimulatedCharger(clock=time)


def reading(charger: SimulatedCharger) -> Reading:
    """Return what the input registers say."""
    return Reading.decode(charger.input_words(), charger.layout)


def settings(charger: SimulatedCharger) -> Settings:
    """Return what the holding registers say."""
    return Settings.decode(charger.holding_words(), charger.layout)


def write[T](charger: SimulatedCharger, register: Register[T], value: T) -> None:
    """Write a register."""
    charger.write(register.address, register.encode(value, charger.layout))


def test_values_agree_and_add_up(charger: SimulatedCharger, time: Time) -> None:
    """Power is voltage, current and angle; energy is power and time."""
    charger.plug_in(Car(phases=3, max_current=16))
    before = reading(charger)
    watt_hours = 0.0
    for _ in range(600):
        time.now += 1
        now = reading(charger)
        assert now.power is not None
        watt_hours += now.power / 3600
    for phase, angle in ((1, 0), (2, 240), (3, 120)):
        voltage = getattr(now, f"voltage_l{phase}")
        current = getattr(now, f"current_l{phase}")
        shift = math.radians(getattr(now, f"phase_angle_l{phase}") - angle)
        assert getattr(now, f"power_l{phase}") == pytest.approx(
            voltage * current * math.cos(shift), rel=1e-4
        )
    total = sum(getattr(now, f"power_l{phase}") for phase in (1, 2, 3))
    assert now.power == pytest.approx(total, rel=1e-5)
    assert now.session_energy == pytest.approx(watt_hours / 1000, rel=0.01)
    assert now.lifetime_energy is not None
    assert before.lifetime_energy is not None
    added = now.lifetime_energy - before.lifetime_energy
    assert added == pytest.approx(watt_hours, rel=0.01)


def test_session(charger: SimulatedCharger, time: Time) -> None:
    """The states of a session, from plugging in to unplugging."""
    assert reading(charger).status is ChargePointState.AVAILABLE
    charger.plug_in(Car())
    assert reading(charger).status is ChargePointState.PREPARING
    time.now += 3
    assert reading(charger).status is ChargePointState.CHARGING
    time.now += 10
    assert reading(charger).current_l1 == 16.0
    write(charger, CURRENT_LIMIT, 5.9)
    time.now += 10
    assert reading(charger).status is ChargePointState.SUSPENDED_EVSE
    assert reading(charger).power == 0
    write(charger, CURRENT_LIMIT, 8.0)
    time.now += 10
    assert reading(charger).current_l3 == 8.0
    write(charger, START_STOP, StartStop.STOP)
    time.now += 10
    assert reading(charger).status is ChargePointState.FINISHING
    write(charger, START_STOP, StartStop.START)
    assert reading(charger).status is ChargePointState.CHARGING
    charger.errors = ChargerErrors.PE_OPEN
    assert reading(charger).status is ChargePointState.FAULTED
    charger.errors = ChargerErrors(0)
    charger.unplug()
    assert reading(charger).status is ChargePointState.AVAILABLE


def test_stopped_before_it_charged(charger: SimulatedCharger, time: Time) -> None:
    """A car that is plugged in at a stopped charger waits."""
    write(charger, START_STOP, StartStop.STOP)
    charger.plug_in(Car())
    time.now += 10
    assert reading(charger).status is ChargePointState.PREPARING


def test_current_rises_in_seconds(charger: SimulatedCharger, time: Time) -> None:
    """A car takes some seconds to reach its current."""
    charger.plug_in(Car(ramp=2.0))
    time.now += 4
    current = reading(charger).current_l1
    assert current is not None
    assert 0 < current < 16
    time.now += 10
    assert reading(charger).current_l1 == 16.0


def test_a_full_battery_takes_nothing(charger: SimulatedCharger, time: Time) -> None:
    """The car pauses when its battery is full."""
    charger.plug_in(Car(battery=20.01, charge=20.0))
    time.now += 60
    assert reading(charger).status is ChargePointState.SUSPENDED_EV
    assert reading(charger).session_energy == pytest.approx(0.01, abs=0.002)


def test_a_car_with_a_higher_minimum(charger: SimulatedCharger, time: Time) -> None:
    """Some cars take nothing below more than 6 A."""
    charger.plug_in(Car(min_current=9.0))
    write(charger, CURRENT_LIMIT, 8.0)
    time.now += 10
    assert reading(charger).status is ChargePointState.SUSPENDED_EV


@pytest.mark.parametrize(
    ("car_phases", "mode", "phases"),
    [
        (3, PhaseMode.ADAPTIVE, 3),
        (3, PhaseMode.SINGLE_PHASE, 1),
        (3, PhaseMode.THREE_PHASE, 3),
        (1, PhaseMode.THREE_PHASE, 1),
    ],
)
def test_phases(
    charger: SimulatedCharger, time: Time, car_phases: int, mode: PhaseMode, phases: int
) -> None:
    """The car draws from as many phases as both sides have."""
    charger.plug_in(Car(phases=car_phases))
    write(charger, PHASE_MODE, mode)
    time.now += 20
    now = reading(charger)
    currents = (now.current_l1, now.current_l2, now.current_l3)
    assert currents == (16.0, *([16.0 if phases == 3 else 0.0] * 2))


def test_clamping(charger: SimulatedCharger, time: Time) -> None:
    """A fallback limit below 6 A becomes 0; what is out of range is refused."""
    write(charger, FALLBACK_LIMIT, 5.5)
    time.now += 2
    assert settings(charger).fallback_limit == 0.0
    with pytest.raises(Refusal) as refusal:
        charger.write(1004, [0x1000, 0x0000])  # 16 s
    assert refusal.value.code == 3
    assert settings(charger).fallback_timeout == 300


@pytest.mark.parametrize(("address", "count"), [(1000, 1), (1001, 2), (1008, 1)])
def test_writes_of_what_is_no_register(
    charger: SimulatedCharger, address: int, count: int
) -> None:
    """Half a value and reserved registers cannot be written."""
    with pytest.raises(Refusal) as refusal:
        charger.write(address, [0] * count)
    assert refusal.value.code == 2


def test_fallback(charger: SimulatedCharger, time: Time) -> None:
    """Without writes to 1000 the fallback limit holds; reads do not count."""
    charger.plug_in(Car())
    write(charger, FALLBACK_TIMEOUT, 60)
    write(charger, FALLBACK_LIMIT, 6.0)
    write(charger, CURRENT_LIMIT, 12.0)
    for _ in range(6):
        time.now += 10
        assert reading(charger).waiting_reasons == WaitingReasons(0)
    write(charger, CURRENT_LIMIT, 12.0)
    time.now += 59
    assert reading(charger).current_l1 == 12.0
    time.now += 10
    assert reading(charger).waiting_reasons == WaitingReasons.MODBUS_FALLBACK
    assert reading(charger).current_l1 == 6.0
    assert settings(charger).current_limit == 6.0
    write(charger, CURRENT_LIMIT, 12.0)
    assert reading(charger).waiting_reasons == WaitingReasons(0)


def test_read_back_is_late(charger: SimulatedCharger, time: Time) -> None:
    """A written value can be read after a second, and acts at once."""
    write(charger, CURRENT_LIMIT, 10.0)
    assert settings(charger).current_limit == 16.0
    assert charger.offered == 10.0
    time.now += 1
    assert settings(charger).current_limit == 10.0


@pytest.mark.parametrize("ocpp", [Ocpp.REFUSE, Ocpp.IGNORE])
def test_ocpp_is_in_charge(charger: SimulatedCharger, time: Time, ocpp: Ocpp) -> None:
    """Start and stop are refused or ignored."""
    charger.ocpp = ocpp
    if ocpp is Ocpp.REFUSE:
        with pytest.raises(Refusal):
            write(charger, START_STOP, StartStop.STOP)
    else:
        write(charger, START_STOP, StartStop.STOP)
    time.now += 2
    assert settings(charger).start_stop is StartStop.START
    write(charger, CURRENT_LIMIT, 9.0)
    time.now += 2
    assert settings(charger).current_limit == 9.0


def test_clock(charger: SimulatedCharger) -> None:
    """Date, time and time zone are the wall clock's, west of UTC negative."""
    zone = timezone(timedelta(hours=-3))
    charger.wall_clock = lambda: datetime(2025, 12, 2, 15, 56, 30, tzinfo=zone)
    clock = Clock.decode(charger.input_words(), Layout.DCBA)
    assert (clock.date, clock.time, clock.timezone) == (20251202, 155630, -180)
    charger.wall_clock = lambda: datetime(2025, 12, 2, tzinfo=UTC)
    assert Clock.decode(charger.input_words(), Layout.DCBA).timezone == 0


async def test_power_cycle(simulator: Simulator) -> None:
    """After a power cut the settings are lost, the lifetime energy is not."""
    charger = simulator.charger
    write(charger, CURRENT_LIMIT, 9.0)
    port = simulator.port
    await simulator.power_cycle(0.05)
    assert simulator.port == port
    assert settings(charger).current_limit == 16.0
    assert reading(charger).lifetime_energy == 1_234_567


def test_without_power(charger: SimulatedCharger, time: Time) -> None:
    """Nothing is charged, and the fallback does not engage."""
    charger.plug_in(Car())
    write(charger, CURRENT_LIMIT, 9.0)
    time.now += 100
    charger.power_off()
    energy = charger.lifetime_energy
    assert energy > 1_234_567
    time.now += 301
    charger.power_on()
    assert charger.lifetime_energy == energy
    assert charger.fallbacks == []
    assert not charger.fallback_active


async def test_one_client_at_a_time(simulator: Simulator) -> None:
    """A second client is cut off, until the first one's place is free."""
    first = await Connection.open(simulator.host, simulator.port)
    second = await Connection.open(simulator.host, simulator.port)
    await asyncio.sleep(0.05)
    assert first.is_open
    assert not second.is_open
    first.close()
    early = await Connection.open(simulator.host, simulator.port)
    await asyncio.sleep(0.05)
    assert not early.is_open
    await asyncio.sleep(0.1)
    late = await Connection.open(simulator.host, simulator.port)
    assert await late.read_input(200, 36, 1) == [0x0100]
    late.close()


async def test_dead_peer(simulator: Simulator) -> None:
    """A dead peer keeps the place for its time."""
    simulator.occupy(0.3)
    early = await Connection.open(simulator.host, simulator.port)
    await asyncio.sleep(0.05)
    assert not early.is_open
    await asyncio.sleep(0.3)
    late = await Connection.open(simulator.host, simulator.port)
    assert await late.read_input(200, 36, 1) == [0x0100]
    late.close()


def test_faults_choose_requests() -> None:
    """A fault meets the requests that it names, as often as it says."""
    fault = Fault(kind=FaultKind.DROP, function=4, address=100, times=2)
    assert not fault.affects(3, 100)
    assert not fault.affects(4, 101)
    assert [fault.affects(4, 100) for _ in range(3)] == [True, True, False]
