"""Central system: the back end of chargers that connect with OCPP 1.6J."""
