"""Simulate a NexBlue charger, a car, the mains and a house."""

from .charge_point import ChargePoint
from .charger import Ocpp, SimulatedCharger
from .faults import Fault, FaultKind
from .habits import DateFormat, Habits, load_profile
from .server import Request, Simulator
from .world import Car, Mains

__all__ = [
    "Car",
    "ChargePoint",
    "DateFormat",
    "Fault",
    "FaultKind",
    "Habits",
    "Mains",
    "Ocpp",
    "Request",
    "SimulatedCharger",
    "Simulator",
    "load_profile",
]
