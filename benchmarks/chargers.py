"""Many simulated chargers, in a process of their own."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
import multiprocessing
from multiprocessing.connection import Connection
import random
from typing import Any, override

from simulator import Car, SimulatedCharger, Simulator


@dataclass
class JitteringCharger(SimulatedCharger):
    """A charger whose voltages and powers jitter from read to read."""

    @override
    def input_words(self) -> dict[int, int]:
        """Return the words of a new measurement."""
        first, second, third = (random.gauss(0.0, 0.2) for _ in range(3))
        self.mains.offsets = (first, second, third)
        return super().input_words()


async def _serve(count: int, pipe: Connection) -> None:
    """Simulate chargers, and return their settings when asked, until asked to end."""
    async with AsyncExitStack() as stack:
        simulators = [
            await stack.enter_async_context(
                Simulator(
                    charger=JitteringCharger(
                        serial_number=f"NB10SIM{number:05}", car=Car(battery=1e6)
                    )
                )
            )
            for number in range(count)
        ]
        pipe.send([(each.charger.serial_number, each.port) for each in simulators])
        while await asyncio.to_thread(pipe.recv):
            pipe.send(
                [
                    (
                        dict(each.charger.settings),
                        len(each.log),
                        len(each.charger.fallbacks),
                    )
                    for each in simulators
                ]
            )


def _run(count: int, pipe: Connection) -> None:
    asyncio.run(_serve(count, pipe))


class SimulatedChargers:
    """Chargers that another process simulates."""

    def __init__(self, pipe: Connection) -> None:
        """Initialize with the pipe to the process."""
        self._pipe = pipe
        self.addresses: list[tuple[str, int]] = pipe.recv()
        """Serial number and port of each."""

    def look(self) -> list[tuple[dict[str, Any], int, int]]:
        """Return the settings, and the numbers of requests and of fallbacks, of each."""
        self._pipe.send(True)
        found: list[tuple[dict[str, Any], int, int]] = self._pipe.recv()
        return found


@contextmanager
def simulated(count: int) -> Iterator[SimulatedChargers]:
    """Simulate chargers with cars in a process of their own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_run, args=(count, theirs))
    process.start()
    try:
        yield SimulatedChargers(ours)
    finally:
        ours.send(False)
        process.join(10)
