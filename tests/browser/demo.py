"""Run the demo, with a charger that waits to be added."""

from collections.abc import Iterator
import contextlib
from pathlib import Path
import re
import subprocess
import time

from .texts import ROOT

PYTHON = ROOT / ".venv-newest" / "bin" / "python"
START_TIMEOUT = 300.0
STOP_TIMEOUT = 60.0


class DemoFailed(Exception):
    """The demo did not start."""


@contextlib.contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Run a demo that stores everything in a folder, and return its URL.

    Raises DemoFailed if Home Assistant does not discover the charger.
    """
    log = folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603, a command of this project
            [
                PYTHON,
                *("-u", "-m", "scripts.demo", "--manual"),
                *("--folder", folder / "home-assistant"),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield _url(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the demo's URL, which it prints once the charger is discovered."""
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"Add it yourself: (http://[^/]+)", log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise DemoFailed(f"the demo did not start:\n{log.read_text()}")
