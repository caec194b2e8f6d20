"""Everything known about the charger; imports no Home Assistant."""
