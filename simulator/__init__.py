"""Simulate a NexBlue charger, a car and the mains."""

from .charger import Ocpp, SimulatedCharger
from .faults import Fault, FaultKind
from .server import Request, Simulator
from .world import Car, Mains

__all__ = [
    "Car",
    "Fault",
    "FaultKind",
    "Mains",
    "Ocpp",
    "Request",
    "SimulatedCharger",
    "Simulator",
]
