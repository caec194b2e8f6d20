"""Play with the demo in a real browser: scripts/browser."""

import argparse
from collections.abc import Iterable
import fcntl
import os
from pathlib import Path
import shutil
import sys
import time

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from .demo import DemoFailed, demo
from .frontend import Frontend
from .texts import ROOT
from .walk import PICTURE_STEPS, STEPS, Step

FOLDER = ROOT / ".browser"
SIDEBAR = 256  # px
PICTURES = {
    "discovered": ("discovered-wide-light", (0, 0, 1400, 390)),
    "dashboard": ("sun-wide-light", (SIDEBAR, 0, 1400, 900)),
    "dashboard-phone": ("sun-phone-dark", None),
    "clouds": ("clouds-in-graph-wide-light", (SIDEBAR, 56, 1400, 580)),
}
"""The documentation's pictures by name: the screenshot, and which part of it in px."""
COLORS = 128


def say(text: str) -> None:
    """Print a progress message."""
    print(f"==> {text}", flush=True)


def walk(page: Page, url: str, steps: Iterable[Step]) -> bool:
    """Do steps, and return whether each showed what was expected."""
    home = Frontend(page, url, FOLDER)
    for step in steps:
        name = step.__name__.replace("_", "-")
        started = time.monotonic()
        try:
            step(home)
        # Whatever goes wrong has to be seen.
        except Exception as error:  # noqa: BLE001
            # Playwright appends the whole page, which is saved anyway.
            reason = str(error).partition("Aria snapshot:")[0].strip()
            say(f"FAILED: {name}: {type(error).__name__}: {reason}")
            home.failure(name)
            say(f"What was shown: {FOLDER}/{name}-failed.png and .txt")
            say(f"Logs: {FOLDER}/demo.log and {FOLDER}/home-assistant/console.log")
            return False
        say(f"{time.monotonic() - started:5.1f} s  {step.__doc__}")
    return True


def save_pictures(folder: Path) -> None:
    """Save the screenshots of the documentation as small files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (screenshot, part) in PICTURES.items():
        with Image.open(FOLDER / f"{screenshot}.png") as image:
            image.crop(part).convert("RGB").quantize(
                COLORS, dither=Image.Dither.NONE
            ).save(folder / f"{name}.png", optimize=True)


def lock() -> None:
    """Exit with an error if another run uses this checkout's .browser folder."""
    # Held until this process ends, and not inherited by the processes it starts.
    file = os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("error: scripts/browser is already running in this checkout")


def main() -> int:
    """Parse the options and play; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/browser", description=__doc__)
    parser.add_argument("--chromium", required=True, help="the browser's executable")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="save the documentation's pictures in this folder",
    )
    options = parser.parse_args()
    steps = STEPS + (PICTURE_STEPS if options.pictures else ())
    lock()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    say("Starting the demo and a browser (half a minute)")
    try:
        with (
            demo(FOLDER) as url,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=options.chromium) as browser,
        ):
            if not walk(browser.new_page(locale="en-GB"), url, steps):
                return 1
    except DemoFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.pictures:
        save_pictures(options.pictures)
    say(f"Everything was as expected. The screenshots are in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
