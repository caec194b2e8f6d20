"""Ledger: the charging sessions of all chargers."""
