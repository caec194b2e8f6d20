"""Command line: `python -m benchmarks.solar --days FOLDER`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import sys
import time

from . import aims, pictures, report, variants
from .cases import Case, Result, run_all
from .days import Day, recorded
from .strategies import EVCC, EVCC_FINE, NAMES, OURS
from .synthetic import synthetic
from .world import Setup

HOMES = {1: "one-phase home", 3: "three-phase home"}
CEILING = 16.0  # A, to which the aims apply
QUICK = "winter"  # the shortest day


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    usual = Setup()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solar")
    add = parser.add_argument
    add("--days", type=Path, metavar="FOLDER", help="recorded days, not synthetic ones")
    add("--pictures", type=Path, metavar="FOLDER", help="only draw some days")
    add("--totals", action="store_true", help="leave out the single days")
    add("--variants", action="store_true", help="other meters and cars, too")
    add("--quick", action="store_true", help="one day, one seed, 16 A")
    add("--seeds", type=int, default=3, help="seeds of the random loads")
    add("--phases", type=int, nargs="+", choices=HOMES, default=list(HOMES))
    add("--ceiling", type=float, nargs="+", default=[CEILING, 32.0], metavar="A")
    add("--only", nargs="+", choices=NAMES, default=list(NAMES))
    add("--meter-interval", type=int, default=usual.meter_interval, metavar="S")
    add("--meter-lag", type=int, default=usual.meter_lag, metavar="S")
    add("--noise", type=float, default=usual.noise, metavar="W", help="of the meter")
    add("--flicker", type=float, default=usual.flicker, metavar="W", help="of a hob")
    add("--car", choices=variants.CARS, default="usual")
    return parser.parse_args()


def main() -> None:
    """Print the tables for each home."""
    options = arguments()
    if options.pictures:
        pictures.write(options.pictures)
        return
    days = recorded(options.days) if options.days else synthetic()
    if not days:
        sys.exit(f"There are no CSV files in {options.days}")
    if options.quick:
        days = [day for day in days if day.name == QUICK] or days[:1]
        options.seeds, options.ceiling = 1, [CEILING]
    began = time.monotonic()
    for phases in options.phases:
        usual = Setup(
            phases=phases,
            ceiling=CEILING,
            meter_interval=options.meter_interval,
            meter_lag=options.meter_lag,
            noise=options.noise,
            flicker=options.flicker,
            car=variants.CARS[options.car],
        )
        one_home(usual, days, options)
    print(f"\n{time.monotonic() - began:.0f} s")


def one_home(usual: Setup, days: Sequence[Day], options: argparse.Namespace) -> None:
    """Print the tables of one home."""
    name = HOMES[usual.phases].capitalize()
    setups = [replace(usual, ceiling=ceiling) for ceiling in options.ceiling]
    results = simulate_all(days, options.seeds, setups, options.only)
    for setup, of_setup in results.items():
        print(f"\n### {name}, {setup.ceiling:g} A\n")
        print(report.days(of_setup, totals=options.totals))
    if usual not in results or not {OURS, EVCC, EVCC_FINE} <= set(options.only):
        return
    met = [*aims.aims(results[usual])]
    if not options.quick:
        varied = (variants.all_variants if options.variants else variants.needed)(usual)
        others = simulate_all(days, options.seeds, list(varied.values()), [OURS, EVCC])
        by_name = {variant: others[setup] for variant, setup in varied.items()}
        print(f"\n### {name}, {usual.ceiling:g} A, varied\n")
        print(report.variants({variants.USUAL: results[usual], **by_name}))
        met += aims.meters(results[usual], by_name)
    print(f"\n### Aims, {HOMES[usual.phases]}, {usual.ceiling:g} A\n")
    print(aims.table(met))


def simulate_all(
    days: Sequence[Day], seeds: int, setups: Sequence[Setup], names: Sequence[str]
) -> dict[Setup, list[Result]]:
    """Return the results of all days in each home."""
    results: dict[Setup, list[Result]] = {setup: [] for setup in setups}
    cases = [
        Case(day, seed, tuple(setups), tuple(names))
        for day in days
        for seed in range(seeds)
    ]
    for result in run_all(cases):
        results[result.setup].append(result)
    return results


if __name__ == "__main__":
    main()
