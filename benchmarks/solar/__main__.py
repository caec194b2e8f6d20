"""Command line: `python -m benchmarks.solar --days FOLDER`."""

import argparse
from pathlib import Path
import time

from .cases import Case, run_all
from .days import recorded
from .report import table
from .synthetic import synthetic
from .world import Setup

HOMES = {1: "one-phase home", 3: "three-phase home"}


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.solar", description=__doc__
    )
    parser.add_argument(
        "--days", type=Path, metavar="FOLDER", help="recorded days instead of synthetic"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of the random loads")
    parser.add_argument(
        "--phases", type=int, nargs="+", choices=HOMES, default=list(HOMES)
    )
    parser.add_argument(
        "--ceiling", type=float, nargs="+", default=[16.0, 32.0], metavar="A"
    )
    return parser.parse_args()


def main() -> None:
    """Print a table for each home and ceiling."""
    options = arguments()
    days = recorded(options.days) if options.days else synthetic()
    began = time.monotonic()
    setups = [
        Setup(phases=phases, ceiling=ceiling)
        for ceiling in options.ceiling
        for phases in options.phases
    ]
    cases = [
        Case(day, seed, setup)
        for setup in setups
        for day in days
        for seed in range(options.seeds)
    ]
    results = list(run_all(cases))
    for setup in setups:
        print(f"\n### {HOMES[setup.phases].capitalize()}, {setup.ceiling:g} A\n")
        print(table([result for result in results if result.setup == setup]))
    print(f"\n{len(cases)} cases in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
