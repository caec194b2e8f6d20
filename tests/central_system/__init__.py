"""Tests of the central system."""
