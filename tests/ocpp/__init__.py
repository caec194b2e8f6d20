"""Tests of the OCPP back end in Home Assistant."""
