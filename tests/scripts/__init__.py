"""Tests of the commands of this repository."""
