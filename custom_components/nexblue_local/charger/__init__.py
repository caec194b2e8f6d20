"""The charger over Modbus TCP; imports no Home Assistant."""
