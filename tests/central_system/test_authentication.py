"""Who may connect."""

import base64

import pytest

from custom_components.nexblue_local.central_system import authentication, server
from custom_components.nexblue_local.central_system.authentication import (
    Authentication,
    Backoff,
)
from custom_components.nexblue_local.central_system.events import WrongPasswords
from custom_components.nexblue_local.central_system.server import (
    CentralSystem,
    fits_subprotocol,
)

from .fakes import ID, PASSWORD, Charger, Home

ADDRESS = "192.168.1.20"


def header(user: str = ID, password: str = PASSWORD) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("charge_point_id", "authorization", "result"),
    [
        (ID, header(), Authentication.ACCEPTED),
        (ID, header().replace("Basic", "basic"), Authentication.ACCEPTED),
        ("new one", header("new one"), Authentication.ACCEPTED),
        (ID, None, Authentication.UNAUTHORIZED),
        (ID, header(password="wrong"), Authentication.UNAUTHORIZED),  # noqa: S106
        (ID, header(password=""), Authentication.UNAUTHORIZED),
        (ID, header(user="other"), Authentication.UNAUTHORIZED),
        (ID, "", Authentication.UNAUTHORIZED),
        (ID, "Basic", Authentication.UNAUTHORIZED),
        (ID, "Basic ü", Authentication.UNAUTHORIZED),
        (ID, "Basic a", Authentication.UNAUTHORIZED),
        (ID, header().replace("Basic", "Bearer"), Authentication.UNAUTHORIZED),
        *[
            (bad, header(bad), Authentication.UNAUTHORIZED)
            for bad in ("", " ", "a:b", "a/b", "a\n", "x" * 101)
        ],
    ],
)
def test_passwords(
    central: CentralSystem,
    charge_point_id: str,
    authorization: str | None,
    result: Authentication,
) -> None:
    """The user is the ID, the password that of the entry."""
    assert central.authenticate(charge_point_id, authorization, ADDRESS) is result


async def test_without_password(home: Home) -> None:
    """With `allow_without_password`, but a wrong one is still wrong."""
    central = home.central_system(allow_without_password=True)
    wrong = header(password="wrong")  # noqa: S106
    assert central.authenticate(ID, None, ADDRESS) is Authentication.ACCEPTED
    assert central.authenticate(ID, wrong, ADDRESS) is Authentication.UNAUTHORIZED


async def test_backoff(
    home: Home, central: CentralSystem, caplog: pytest.LogCaptureFixture
) -> None:
    """Five wrong passwords in a minute lock an address out, and no other one."""
    # One without any is not counted.
    for _ in range(10):
        central.authenticate(ID, None, ADDRESS)
    wrong = header(password="wrong")  # noqa: S106
    results = [central.authenticate(ID, wrong, ADDRESS) for _ in range(7)]
    assert results == [
        *[Authentication.UNAUTHORIZED] * 5,
        *[Authentication.TOO_MANY_REQUESTS] * 2,
    ]
    right = central.authenticate(ID, header(), ADDRESS)
    assert right is Authentication.TOO_MANY_REQUESTS
    assert central.authenticate(ID, header(), "::1") is Authentication.ACCEPTED
    assert home.seen(WrongPasswords) == [WrongPasswords(ADDRESS, ID)]
    assert caplog.text.count("wrong passwords") == 1


def test_backoff_ends() -> None:
    """After a minute; attempts that are rarer do not count."""
    time = 0.0
    backoff = Backoff(lambda: time)
    for _ in range(20):
        assert not backoff.failed(ADDRESS)
        time += 16
    assert [backoff.failed("::1") for _ in range(5)] == [False] * 4 + [True]
    time += 59
    assert backoff.is_locked("::1")
    time += 2
    assert not backoff.is_locked("::1")
    assert not backoff.failed("::1")


def test_backoff_is_bounded() -> None:
    """Addresses that are made up do not fill the memory."""
    backoff = Backoff(lambda: 0.0)
    for number in range(3 * authentication.MAX_ADDRESSES):
        for _ in range(number % 2 * 4 + 1):
            backoff.failed(f"address {number}")
    assert len(backoff._failures) <= authentication.MAX_ADDRESSES
    assert len(backoff._locked_until) <= authentication.MAX_ADDRESSES


async def test_strangers_are_bounded(central: CentralSystem) -> None:
    """So many may wait to be adopted; the others are turned away, but not the known."""
    chargers = [
        Charger(central, f"stranger {number}")
        for number in range(server.MAX_NOT_ADOPTED)
    ]
    for charger in chargers:
        await charger.__aenter__()
    full = central.authenticate("new", header("new"), ADDRESS)
    assert full is Authentication.TOO_MANY_REQUESTS
    assert central.authenticate(ID, header(), ADDRESS) is Authentication.ACCEPTED
    for charger in chargers:
        await charger.__aexit__()
    assert list(central.charge_points) == [ID]


def test_subprotocol() -> None:
    """Ours, or none offered."""
    assert fits_subprotocol([])
    assert fits_subprotocol(["ocpp2.0.1", "ocpp1.6"])
    assert not fits_subprotocol(["ocpp2.0.1"])
