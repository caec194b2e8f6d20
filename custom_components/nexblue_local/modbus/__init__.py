"""The charger over Modbus TCP.

A `Client` polls one charger. Connecting returns a `Session`, on which settings are
written. The package imports neither Home Assistant nor the rest of the integration.
"""
