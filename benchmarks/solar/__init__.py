"""Solar charging, simulated: strategies on the same days, and what was possible.

`python -m benchmarks.solar` prints the tables of `docs/solar-benchmark.md`.
"""
