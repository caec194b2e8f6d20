"""Surplus: decide how much current each car gets from sun, battery and fuse."""
