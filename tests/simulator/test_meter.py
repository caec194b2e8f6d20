"""The grid meter of the simulated house, over a socket."""

from collections.abc import AsyncIterator
import contextlib
import struct

import pytest

from custom_components.nexblue_local.modbus.errors import CannotConnect, Refused
from custom_components.nexblue_local.modbus.transport import Connection
from simulator import Car, Simulator
from simulator.controls import KETTLE, LOAD, METER, OVERCAST, WorldControls
from simulator.house import Battery, House
from simulator.meter import Meter, address_of


@contextlib.asynccontextmanager
async def metered(
    simulator: Simulator,
    *,
    battery: Battery | None = None,
    unsigned_currents: bool = False,
) -> AsyncIterator[Meter]:
    """Serve the meter of a house in sunshine."""
    house = House(battery=battery, started_at=simulator.charger.clock())
    async with Meter(
        house=house, simulator=simulator, unsigned_currents=unsigned_currents
    ) as meter:
        yield meter


async def read(meter: Meter, *names: str) -> list[float]:
    """Return values of the meter, each read like Home Assistant does."""
    connection = await Connection.open("127.0.0.1", meter.port)
    values: list[float] = []
    for name in names:
        words = await connection.read_input(1, address_of(name), 2)
        values += struct.unpack(">f", struct.pack(">2H", *words))
    connection.close()
    return values


def charge(simulator: Simulator) -> None:
    """Let a car charge on L1 with 10 A."""
    charger = simulator.charger
    charger.plug_in(Car(phases=1, max_current=10.0))
    charger.power_on()
    charger._preparing_until = 0.0
    charger.currents = (10.0, 0.0, 0.0)


async def test_registers(simulator: Simulator) -> None:
    """The meter has the power and the currents of house, sun and car."""
    async with metered(simulator) as meter:
        grid, solar, l1, l2, l3, level = await read(
            meter,
            *("grid_power", "solar_power", "current_l1", "current_l2", "current_l3"),
            "battery_level",
        )
        assert solar > 4_000
        assert grid == pytest.approx(350 - solar, abs=20)
        assert 230 * (l1 + l2 + l3) == pytest.approx(grid, rel=0.02)
        assert level == 0
        charge(simulator)
        grid_with_car, with_car, same_l2 = await read(
            meter, "grid_power", "current_l1", "current_l2"
        )
        assert grid_with_car - grid == pytest.approx(2_270, abs=80)
        assert with_car - l1 == pytest.approx(9.9, abs=0.3)
        assert same_l2 == pytest.approx(l2, abs=0.1)
        await simulator.power_off()
        (without_power,) = await read(meter, "current_l1")
        assert without_power == pytest.approx(l1, abs=0.1)


async def test_energies(simulator: Simulator) -> None:
    """The counters are in kWh."""
    async with metered(simulator) as meter:
        meter.house.imported, meter.house.exported = 1_234_567.0, 2_000.0
        imported, exported = await read(meter, "grid_import", "grid_export")
        assert imported == pytest.approx(1_234.567)
        assert exported == pytest.approx(2.0, abs=0.1)


async def test_unsigned_currents(simulator: Simulator) -> None:
    """A meter whose currents have no sign shows exported currents as positive."""
    async with metered(simulator, unsigned_currents=True) as meter:
        power, *currents = await read(
            meter, "grid_power", "current_l1", "current_l2", "current_l3"
        )
        assert power < -4_000
        assert min(currents) > 4


async def test_battery(simulator: Simulator) -> None:
    """The battery is charged from the sun."""
    async with metered(simulator, battery=Battery(max_power=1_000)) as meter:
        grid, solar, battery, level = await read(
            meter, "grid_power", "solar_power", "battery_power", "battery_level"
        )
        assert battery == pytest.approx(-1_000)
        assert grid == pytest.approx(350 + 1_000 - solar, abs=20)
        assert level == pytest.approx(60, abs=0.1)


async def test_switches(simulator: Simulator) -> None:
    """The switches of the house have their effect on the meter, and can be undone."""
    async with (
        metered(simulator) as meter,
        WorldControls(simulator, meter=meter) as controls,
    ):
        connection = await Connection.open(simulator.host, controls.port)
        assert await connection.read_holding(1, 0, 7) == [0, 1, 0, 0, 0, 0, 1]
        sun, l1, l2 = await read(meter, "solar_power", "current_l1", "current_l2")
        for switch in (OVERCAST, KETTLE, LOAD):
            await connection.write(1, switch, [1])
        assert await connection.read_holding(1, 3, 3) == [1, 1, 1]
        less_sun, loaded, with_kettle = await read(
            meter, "solar_power", "current_l1", "current_l2"
        )
        assert less_sun < 0.2 * sun
        assert loaded == pytest.approx(12)
        assert with_kettle > l2 + 8
        await connection.write(1, LOAD, [0])
        await connection.write(1, OVERCAST, [0])
        assert await read(meter, "current_l1") == [pytest.approx(l1, abs=0.5)]
        await connection.write(1, METER, [0])
        with pytest.raises(CannotConnect):
            await read(meter, "grid_power")
        assert await connection.read_holding(1, METER, 1) == [0]
        await connection.write(1, METER, [1])
        assert await read(meter, "current_l2") == [pytest.approx(l2 + 8.7, abs=0.5)]
        connection.close()


async def test_nothing_to_write(simulator: Simulator) -> None:
    """The meter has nothing that can be written."""
    async with metered(simulator) as meter:
        connection = await Connection.open("127.0.0.1", meter.port)
        with pytest.raises(Refused):
            await connection.write(1, 0, [1])
        connection.close()
