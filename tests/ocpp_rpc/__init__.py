"""A charge point that others wrote, in strict mode: scripts/ocpp_rpc."""
