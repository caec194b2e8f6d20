"""How often the vendor allows the phases to be switched."""

APART = 600  # s
HOUR = 3600  # s
IN_AN_HOUR = 2
IN_A_SESSION = 6


def may_switch(switches: list[int], t: int) -> bool:
    """Return whether a switch at t is within the limits, given the earlier ones."""
    if not switches:
        return True
    if len(switches) >= IN_A_SESSION or t - switches[-1] < APART:
        return False
    return len(switches) < IN_AN_HOUR or t - switches[-IN_AN_HOUR] >= HOUR
