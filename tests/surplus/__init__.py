"""Tests of the surplus controller."""
