"""Control the simulated world through Modbus registers on a port of their own.

Home Assistant's modbus integration can show the registers as switches. They are holding
registers of any unit ID, each 0 or 1:

- 0: a car is plugged in
- 1: the charger has power
- 2: an OCPP back end controls the charger, which refuses start and stop
"""

from typing import Any, Self

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from .charger import Ocpp
from .server import Simulator
from .world import Car

PLUGGED, POWER, OCPP = range(3)


class WorldControls:
    """The Modbus server of the switches, as an asynchronous context manager."""

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        """Initialize the switches of a simulator; port 0 is any free port."""
        self.port = port
        self._simulator = simulator
        self._server: ModbusTcpServer | None = None

    async def __aenter__(self) -> Self:
        """Start the server."""
        device = SimDevice(
            0,
            [SimData(0, count=3, values=0, datatype=DataType.REGISTERS)],
            action=self._serve,
        )
        address = (self._simulator.host, self.port)
        self._server = ModbusTcpServer(device, address=address)
        await self._server.serve_forever(background=True)
        listener: Any = self._server.transport
        self.port = listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.close()

    @property
    def states(self) -> list[int]:
        """Return the state of each switch, 0 or 1."""
        charger = self._simulator.charger
        return [
            int(charger.car is not None),
            int(self._simulator.is_listening),
            int(charger.ocpp is not Ocpp.NONE),
        ]

    async def _serve(
        self,
        function: int,
        start_address: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Set the switches that are written, and return the state of all."""
        for offset, value in enumerate(values or ()):
            await self.set(address + offset, on=bool(value))
        registers[: len(self.states)] = self.states
        return None

    async def set(self, switch: int, *, on: bool) -> None:
        """Set a switch; do nothing if it already has this state."""
        simulator = self._simulator
        charger = simulator.charger
        if bool(self.states[switch]) is on:
            return
        if switch == PLUGGED:
            if on:
                charger.plug_in(Car())
            else:
                charger.unplug()
        elif switch == POWER:
            if on:
                charger.advance()
                charger.power_on()
                await simulator.start()
            else:
                await simulator.stop()
        else:
            charger.ocpp = Ocpp.REFUSE if on else Ocpp.NONE
