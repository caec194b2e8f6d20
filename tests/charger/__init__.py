"""Tests of charger/."""
