"""Control the simulated world through Modbus registers on a port of their own.

Home Assistant's modbus integration can show the registers as switches. They are holding
registers of any unit ID, each 0 or 1:

- 0: a car is plugged in
- 1: the charger has power
- 2: an OCPP back end controls the charger, which refuses start and stop

With a grid meter:

- 3: the sky is overcast
- 4: the kettle is on
- 5: L1 is loaded, so that the main fuse leaves the car 8 A
- 6: the grid meter has power
"""

from typing import Any, Self

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from .charger import Ocpp
from .meter import Meter
from .server import Simulator
from .world import Car

PLUGGED, POWER, OCPP, OVERCAST, KETTLE, LOAD, METER = range(7)


class WorldControls:
    """The Modbus server of the switches, as an asynchronous context manager."""

    def __init__(
        self, simulator: Simulator, port: int = 0, *, meter: Meter | None = None
    ) -> None:
        """Initialize the switches of a simulator; port 0 is any free port."""
        self.port = port
        self._simulator = simulator
        self._meter = meter
        self._server: ModbusTcpServer | None = None

    async def __aenter__(self) -> Self:
        """Start the server."""
        device = SimDevice(
            0,
            [SimData(0, count=len(self.states), values=0, datatype=DataType.REGISTERS)],
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
        states = [
            charger.car is not None,
            self._simulator.is_listening,
            charger.ocpp is not Ocpp.NONE,
        ]
        if (meter := self._meter) is not None:
            house = meter.house
            states += [
                house.is_overcast,
                house.kettle_is_on,
                house.l1_is_loaded,
                meter.is_listening,
            ]
        return [int(state) for state in states]

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
            await (simulator.power_on() if on else simulator.power_off())
        elif switch == OCPP:
            charger.ocpp = Ocpp.REFUSE if on else Ocpp.NONE
        elif self._meter is not None:
            await self._set_house(self._meter, switch, on=on)

    async def _set_house(self, meter: Meter, switch: int, *, on: bool) -> None:
        # What has flowed until now was as it was.
        meter.measure()
        if switch == OVERCAST:
            meter.house.is_overcast = on
        elif switch == KETTLE:
            meter.house.kettle_is_on = on
        elif switch == LOAD:
            meter.house.l1_is_loaded = on
        elif on:
            await meter.start()
        else:
            meter.stop()
