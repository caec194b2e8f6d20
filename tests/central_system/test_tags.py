"""Who may charge."""

import asyncio
from datetime import timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.nexblue_local.central_system.events import TagPresented
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.central_system.tags import OWN_TAG, Tag, Tags

from .fakes import CARD, ID, START, Charger, Home


async def status_of(charger: Charger, tag: object) -> str:
    """Return the answer to Authorize."""
    answer = await charger.call("Authorize", idTag=tag)
    status: str = answer["idTagInfo"]["status"]
    return status


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        (CARD, "Accepted"),
        (CARD.lower(), "Accepted"),
        ("BLOCKED", "Blocked"),
        ("OLD", "Expired"),
        ("STRANGER", "Invalid"),
        (OWN_TAG, "Invalid"),
        ("", "Invalid"),
        (None, "Invalid"),
        ({"a": 1}, "Invalid"),
    ],
)
async def test_authorize(charger: Charger, tag: object, status: str) -> None:
    """Each tag has its answer."""
    assert await status_of(charger, tag) == status


@pytest.mark.parametrize(
    ("tag", "status"), [("STRANGER", "Accepted"), (OWN_TAG, "Invalid"), ("", "Invalid")]
)
async def test_unknown_tags_are_allowed(home: Home, tag: str, status: str) -> None:
    """With `allow_unknown`, but our own tag is not one of them."""
    central = home.central_system(allow_unknown=True)
    await central.adopt(ID, ID)
    async with Charger(central) as charger:
        assert await status_of(charger, tag) == status


async def test_tags_are_replaced(charger: Charger) -> None:
    """A new tag is accepted at once, until it expires."""
    expiry = START + timedelta(hours=1)
    charger.central.tags = Tags([Tag(id="NEW", name="New", expiry=expiry)])
    answer = await charger.call("Authorize", idTag="new")
    assert answer["idTagInfo"] == {
        "status": "Accepted",
        "expiryDate": "2026-11-26T13:00:00Z",
    }
    assert await status_of(charger, CARD) == "Invalid"


async def test_presentations(home: Home, charger: Charger) -> None:
    """A card that is presented once is one event, known or not."""
    await charger.call("Authorize", idTag=CARD)
    await charger.start(idTag=CARD)
    # Accepted from the list in the charger, without Authorize.
    await charger.start(idTag="STRANGER", connectorId=2)
    await charger.start(idTag=OWN_TAG, connectorId=3)
    assert [
        (event.tag_id, event.name, event.is_accepted)
        for event in home.seen(TagPresented)
    ] == [(CARD, "Blue card", True), ("STRANGER", None, False)]


async def remote_start(charger: Charger, status: str = "Accepted") -> None:
    """Start remotely; the charger answers."""
    task = asyncio.create_task(charger.seen_by_us.start())
    _, message_id, action, payload = await charger.receive()
    assert action == "RemoteStartTransaction"
    assert payload == {"idTag": OWN_TAG, "connectorId": 1}
    charger.answer(message_id, status=status)
    await task


async def test_own_tag(home: Home, charger: Charger) -> None:
    """It is accepted for 60 s after our own RemoteStartTransaction."""
    await remote_start(charger)
    home.time += timedelta(seconds=60)
    assert await status_of(charger, OWN_TAG) == "Accepted"
    home.time += timedelta(seconds=1)
    assert await status_of(charger, OWN_TAG) == "Invalid"


async def test_own_tag_of_another_charger(home: Home, charger: Charger) -> None:
    """A start of one charge point does not open the others."""
    await remote_start(charger)
    await charger.central.adopt("OTHER", "OTHER")
    async with Charger(charger.central, "OTHER") as other:
        assert await status_of(other, OWN_TAG) == "Invalid"


async def test_own_tag_after_a_restart(home: Home, charger: Charger) -> None:
    """The start that came while we restarted is accepted, if it began in time."""
    await charger.start(timestamp="2026-11-26T12:00:00Z", connectorId=2)
    await remote_start(charger)
    home.time += timedelta(minutes=10)
    async with Charger(home.central_system()) as again:
        for begin, status in (("12:00:30", "Accepted"), ("12:05:00", "Invalid")):
            started = await again.start(idTag=OWN_TAG, timestamp=f"2026-11-26T{begin}Z")
            assert started["idTagInfo"]["status"] == status


async def test_own_tag_that_was_refused(charger: Charger) -> None:
    """A start that the charger refused does not make the tag known."""
    with pytest.raises(Exception, match="refused Rejected"):
        await remote_start(charger, "Rejected")
    assert await status_of(charger, OWN_TAG) == "Invalid"


async def test_own_tag_is_not_a_known_one(home: Home, central: CentralSystem) -> None:
    """Nobody can have a card of this ID accepted."""
    central.tags = Tags([Tag(id=OWN_TAG.lower(), name="Trick")])
    async with Charger(central) as charger:
        assert await status_of(charger, OWN_TAG) == "Invalid"


@given(st.text(max_size=30), st.booleans())
def test_any_tag(tag: str, allow: bool) -> None:
    """No ID of a tag raises, and none is accepted without being known."""
    status = Tags(allow_unknown=allow).info(tag, START).status
    assert allow or status == "Invalid"
