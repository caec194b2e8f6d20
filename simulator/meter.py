"""Serve the measurements of a simulated house on Modbus TCP.

The registers are input registers of any unit ID. Each value is a float of two
registers, the first of which holds its high word.
"""

from dataclasses import dataclass
import struct
from typing import Any, Final, Self

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from .house import House
from .server import Simulator

VALUES: Final = (
    "grid_power",  # W, positive is import
    "grid_import",  # kWh
    "grid_export",  # kWh
    "current_l1",  # A, positive is import unless the currents are unsigned
    "current_l2",
    "current_l3",
    "solar_power",  # W
    "solar_energy",  # kWh
    "battery_power",  # W, positive while it discharges
    "battery_level",  # %
    "battery_discharged",  # kWh
    "battery_charged",  # kWh
)
"""What the meter measures, in the order of its registers; 0 without a battery."""


def address_of(value: str) -> int:
    """Return the address of the first register of a value."""
    return 2 * VALUES.index(value)


@dataclass(kw_only=True)
class Meter:
    """The grid meter of a house, as an asynchronous context manager."""

    house: House
    simulator: Simulator
    """The charger at which the house's car charges."""
    port: int = 0  # 0 is any free port
    unsigned_currents: bool = False
    """Whether an exported current is shown like an imported one."""

    def __post_init__(self) -> None:
        """Initialize without a server."""
        self._server: ModbusTcpServer | None = None

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()

    @property
    def is_listening(self) -> bool:
        """Return whether the server runs."""
        return self._server is not None

    async def start(self) -> None:
        """Start the server, on the same port as before if it was stopped."""
        device = SimDevice(
            0,
            [SimData(0, count=2 * len(VALUES), values=0, datatype=DataType.REGISTERS)],
            action=self._serve,
        )
        server = ModbusTcpServer(device, address=(self.simulator.host, self.port))
        await server.serve_forever(background=True)
        listener: Any = server.transport
        self.port = listener.sockets[0].getsockname()[1]
        self._server = server

    def stop(self) -> None:
        """Close all connections and stop the server."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def measure(self) -> dict[str, float]:
        """Return what the meter measures now, by the names in `VALUES`."""
        house, charger = self.house, self.simulator.charger
        charger.advance()
        # The car gets nothing while the charger has no power.
        car = charger.powers
        house.advance(charger.clock(), car, charger.voltages)
        flow, battery = house.flow, house.battery
        current_l1, current_l2, current_l3 = (
            abs(power / voltage) if self.unsigned_currents else power / voltage
            for power, voltage in zip(flow.grid, charger.voltages, strict=True)
        )
        return {
            "grid_power": sum(flow.grid),
            "grid_import": house.imported / 1000,
            "grid_export": house.exported / 1000,
            "current_l1": current_l1,
            "current_l2": current_l2,
            "current_l3": current_l3,
            "solar_power": sum(flow.solar),
            "solar_energy": house.produced / 1000,
            "battery_power": sum(flow.battery),
            "battery_level": 0.0 if battery is None else battery.level,
            "battery_discharged": house.discharged / 1000,
            "battery_charged": house.charged / 1000,
        }

    async def _serve(
        self,
        function: int,
        start_address: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Measure before the registers are read; nothing can be written."""
        if values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        measured = self.measure()
        data = struct.pack(f">{len(VALUES)}f", *(measured[name] for name in VALUES))
        registers[: 2 * len(VALUES)] = struct.unpack(f">{2 * len(VALUES)}H", data)
        return None
