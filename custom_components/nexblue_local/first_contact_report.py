"""The report of a charger test: sentences, and a text for the issue template.

Neither contains the serial number or the address. They are in English, like the
issues that they are for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
import math
from statistics import median
from typing import Final

from .control.limit_trial import LimitTrial, Obstacle
from .control.settings import agrees
from .modbus.codec import Layout
from .modbus.errors import ChargerError, Refused
from .modbus.findings import (
    HALF_VALUE,
    SHORT_WITH_RESERVED,
    Answer,
    Block,
    Findings,
    Padding,
)

PRIVATE_BELOW: Final = 100
"""Reserved input registers below are for identification, so their values are not shown."""

OBSTACLES: Final = {
    Obstacle.NOT_IN_CONTROL: (
        "Home Assistant does not control it: a write starts the charger's fallback "
        "timer, and without further writes the charger would switch to its fallback "
        "limit. Set the charging current limit, test again, and then return control "
        "to the charger if you do not want to keep the limit"
    ),
    Obstacle.TIME_LIMIT: (
        "it applies for a limited time, which could end during the test. Set it "
        "without a duration, and test again"
    ),
    Obstacle.TOO_LOW: (
        "it is below 7 A, and a lower one would pause charging. Test again when it is "
        "7 A or more"
    ),
}
"""Why the current limit was not stepped, and what the user can do."""


def _to(step: float, rounded: Callable[[float], float]) -> Callable[[float], float]:
    return lambda limit: rounded(round(limit / step, 3)) * step


ROUNDINGS: Final[tuple[tuple[str, Callable[[float], float]], ...]] = (
    ("It takes limits in tenths of an ampere.", lambda limit: limit),
    *(
        (f"It rounds limits {how} {name} amperes.", _to(step, rounded))
        for step, name in ((0.5, "half"), (1.0, "whole"))
        for how, rounded in (
            ("down to", math.floor),
            ("up to", math.ceil),
            ("to the nearest", lambda value: math.floor(value + 0.5)),
        )
    ),
)
"""How a charger may round limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstContact:
    """What a test of a charger found out."""

    versions: str
    """Versions of the integration and of Home Assistant."""
    findings: Findings
    limit_step: float | None
    """The step in A in which control writes limits, if it knows one."""
    trial: LimitTrial | Obstacle | str | None
    """The limits that were tried, or why not: an error key, None if not requested."""


def report_sentences(contact: FirstContact) -> list[str]:
    """Return what was found out, in sentences."""
    findings = contact.findings
    return [
        f"{_charger(findings)}.",
        *_reads(findings),
        *_reserved(findings),
        *_answers(findings),
        *_texts(findings),
        *_byte_order(findings),
        *_clock(findings),
        *_settings(findings),
        *_limit(contact),
    ]


def _charger(findings: Findings) -> str:
    identity = findings.identity
    version = identity.mapping_version
    return (
        f"{identity.brand or 'Unknown brand'} {identity.model or 'unknown model'}, "
        f"firmware {identity.firmware_version or 'unknown'}, "
        f"hardware {identity.hardware_version or 'unknown'}, "
        f"Modbus map version {'unknown' if version is None else f'0x{version:04X}'}, "
        f"{identity.connector_count or 'unknown'} connector(s)"
    )


def _addresses(block: Block) -> str:
    last = block.address + block.count - 1
    to_last = "" if block.count == 1 else f"-{last}"
    return f"{block.table} {block.address}{to_last}"


def _error(error: ChargerError) -> str:
    return f"exception {error.code}" if isinstance(error, Refused) else error.key


def _errors(answers: Iterable[Answer]) -> str:
    return ", ".join(
        sorted({_error(answer.error) for answer in answers if answer.error is not None})
    )


def _is_refused(answer: Answer) -> bool:
    return isinstance(answer.error, Refused)


def _is_unanswered(answer: Answer) -> bool:
    return answer.error is not None and not _is_refused(answer)


def _reads(findings: Findings) -> Iterator[str]:
    answered = [answer for answer in findings.blocks if answer.error is None]
    refused = [answer for answer in findings.blocks if _is_refused(answer)]
    longest = max((answer.block.count for answer in answered), default=0)
    yield f"The longest read that it answered has {longest} registers."
    if any(answer.block == SHORT_WITH_RESERVED for answer in refused):
        reserved = [answer for answer in refused if answer.block.has_reserved]
        yield (
            "It refuses reads that include reserved registers "
            f"({_errors(reserved)}): a poll takes three requests."
        )
        refused = [answer for answer in refused if answer not in reserved]
    if half := [answer for answer in refused if answer.block == HALF_VALUE]:
        yield f"It refuses to read half of a 32-bit value ({_errors(half)})."
    refused = [answer for answer in refused if answer not in half]
    if too_long := [answer for answer in refused if answer.block.count > longest]:
        shortest = min(answer.block.count for answer in too_long)
        yield (
            f"It refuses reads of {shortest} registers and more ({_errors(too_long)}), "
            "so shorter ones are used."
        )
    for answer in refused:
        if answer not in too_long:
            yield f"It refuses {_addresses(answer.block)} ({_errors([answer])})."


def _reserved(findings: Findings) -> Iterator[str]:
    kinds = Counter(_reserved_kind(answer) for answer in findings.reserved)
    if kinds:
        parts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        yield f"Of {kinds.total()} reserved registers, read one by one: {parts}."


def _reserved_kind(answer: Answer) -> str:
    if answer.error is not None:
        return f"failed ({_error(answer.error)})"
    (word,) = answer.words
    return {0: "hold 0", 0xFFFF: "hold 0xFFFF"}.get(word, "hold another value")


def _seconds(findings: Findings) -> list[float]:
    return [answer.seconds for answer in findings.answers if not _is_unanswered(answer)]


def _answers(findings: Findings) -> Iterator[str]:
    if seconds := _seconds(findings):
        yield (
            f"It answered {len(seconds)} reads in {1000 * min(seconds):.0f} to "
            f"{1000 * max(seconds):.0f} ms each, half of them within "
            f"{1000 * median(seconds):.0f} ms."
        )
    if findings.busy:
        yield f"It was busy {findings.busy} time(s) (exception 6)."
    for answer in filter(_is_unanswered, findings.answers):
        yield (
            f"The read of {_addresses(answer.block)} was not answered "
            f"({_errors([answer])})."
        )
    if not findings.is_complete:
        yield "The test ended before all reads were made."


def _texts(findings: Findings) -> Iterator[str]:
    paddings = {padding for text in findings.texts for padding in text.padding}
    if used := [p for p in Padding if p in paddings and p is not Padding.DATA]:
        yield f"Its texts are padded with {' and '.join(used)}."
    for text in findings.texts:
        if Padding.DATA in text.padding:
            yield f"Other data follows {text.name} in its registers."
        elif text.length == text.size:
            yield f"{text.name} fills all of its registers."


def _byte_order(findings: Findings) -> Iterator[str]:
    layout = findings.layout
    numbers = findings.numbers(layout)
    values = ", ".join(f"{name} {_known(value)}" for name, value in numbers.items())
    documented = ", as documented" if layout is Layout.DCBA else ", not as documented"
    if findings.is_layout_certain:
        yield f"The byte order of its numbers is {layout}{documented}."
    else:
        yield (
            f"The byte order of its numbers could not be confirmed ({layout} is "
            "assumed), so nothing is written."
        )
    yield f"In this order, it shows {values}."


def _clock(findings: Findings) -> Iterator[str]:
    clock = findings.clock
    if findings.clock_offset is None:
        yield (
            f"Its clock is not set: date {_known(clock.date)}, time "
            f"{_known(clock.time)}."
        )
    else:
        yield (
            f"Its clock shows date {clock.date}, time {clock.time}, time zone "
            f"{_known(clock.timezone)} min, and is {round(findings.clock_offset)} s ahead."
        )


def _known(value: float | str | None) -> str:
    return "unknown" if value is None else _number(value)


def _number(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _settings(findings: Findings) -> Iterator[str]:
    settings = findings.settings
    yield (
        f"The fallback timeout is {_known(settings.fallback_timeout)} s, the fallback "
        f"limit {_known(settings.fallback_limit)} A."
    )
    if missing := _missing(findings):
        yield f"These registers have no value: {missing}."


def _missing(findings: Findings) -> str:
    return ", ".join(
        f"{each.name} ({'refused' if each.is_refused else 'not possible'})"
        for each in findings.missing
    )


def _limit(contact: FirstContact) -> Iterator[str]:
    if contact.limit_step is not None:
        yield (
            "Home Assistant has learned that it takes limits in steps of "
            f"{contact.limit_step:g} A."
        )
    match contact.trial:
        case None:
            yield "The current limit was not stepped, because that was not requested."
        case Obstacle() as obstacle:
            yield f"The current limit was not stepped, because {OBSTACLES[obstacle]}."
        case str(key):
            yield f"The current limit was not stepped: {key}."
        case trial:
            yield from _rounding(trial)
            yield from _restored(trial)


def _rounding(trial: LimitTrial) -> Iterator[str]:
    if trial.failure is not None:
        yield f"Stepping the current limit failed: {_failure(trial)}."
    elif not trial.is_complete:
        yield "Stepping the current limit ended early for another command."
    if not trial.is_complete:
        return
    found = [(read.written, read.found) for read in trial.steps]
    if all(shown is not None and shown < written - 1 for written, shown in found):
        yield "The current limit reads back what it offers, not what was written."
    elif all(agrees(shown, trial.limit) for _, shown in found):
        yield "Lower current limits did not show."
    else:
        yield next(
            (
                sentence
                for sentence, rounded in ROUNDINGS
                if all(agrees(shown, rounded(written)) for written, shown in found)
            ),
            "How it rounds limits is not clear.",
        )
    seconds = [read.seconds for read in trial.steps if read.seconds is not None]
    if seconds:
        yield f"A written limit can be read after {max(seconds):.1f} s."


def _failure(trial: LimitTrial) -> str:
    failure = trial.failure
    # The other details may contain the address.
    is_refusal = failure is not None and failure.key == Refused.key
    return f"{failure}" if is_refusal else getattr(failure, "key", "")


def _restored(trial: LimitTrial) -> Iterator[str]:
    restored = trial.restored
    if restored is None:
        yield (
            f"The limit of {trial.limit:g} A could not be written again at once. "
            "Home Assistant keeps trying."
        )
    else:
        yield (
            f"{restored.written:g} A was written again and reads back "
            f"{_known(restored.found)} A."
        )


def report_block(contact: FirstContact) -> str:
    """Return the text for the issue template."""
    return "\n".join(_lines(contact))


def _lines(contact: FirstContact) -> Iterator[str]:
    findings = contact.findings
    status = findings.reading.status
    yield f"software: {contact.versions}"
    yield f"charger: {_charger(findings)}"
    yield f"status: {'unknown' if status is None else status.name.lower()}"
    yield "reads:"
    for answer in findings.blocks:
        yield (
            f"  {_addresses(answer.block)} ({answer.block.count}): {_outcome(answer)}"
        )
    yield "reserved registers:"
    yield from _reserved_lines(findings.reserved)
    seconds = [1000 * value for value in _seconds(findings)] or [math.nan]
    yield (
        f"answers: {min(seconds):.0f}/{median(seconds):.0f}/{max(seconds):.0f} ms "
        f"(least/median/most), busy {findings.busy}, "
        f"{'complete' if findings.is_complete else 'not complete'}"
    )
    yield "texts:"
    for text in findings.texts:
        padding = " and ".join(text.padding) or "nothing"
        yield f"  {text.name}: {text.length} of {text.size} bytes, then {padding}"
    certain = "certain" if findings.is_layout_certain else "not certain"
    yield f"byte order: {findings.layout}, {certain}"
    numbers = {layout: findings.numbers(layout) for layout in Layout}
    for name in numbers[Layout.DCBA]:
        values = (f"{layout} {_known(numbers[layout][name])}" for layout in Layout)
        yield f"  {name}: {', '.join(values)}"
    yield f"clock offset: {_known(findings.clock_offset and round(findings.clock_offset))} s"
    yield f"no value: {_missing(findings) or 'none'}"
    yield from _limit_lines(contact)


def _outcome(answer: Answer) -> str:
    outcome = "answered" if answer.error is None else _error(answer.error)
    return f"{outcome}, {1000 * answer.seconds:.0f} ms"


def _reserved_lines(answers: Iterable[Answer]) -> Iterator[str]:
    """Return the answers of reserved registers, those that are alike in one line."""
    alike: dict[str, list[Block]] = {}
    for answer in answers:
        alike.setdefault(_reserved_text(answer), []).append(answer.block)
    for text, blocks in alike.items():
        yield f"  {', '.join(map(_addresses, _joined(blocks)))}: {text}"


def _reserved_text(answer: Answer) -> str:
    if answer.error is not None:
        return _error(answer.error)
    (word,) = answer.words
    if answer.block.address < PRIVATE_BELOW and word not in (0, 0xFFFF):
        return "not shown"
    return f"{word:04X}"


def _joined(blocks: Iterable[Block]) -> list[Block]:
    """Return blocks with those joined that follow one another."""
    joined: list[Block] = []
    for block in blocks:
        last = joined[-1] if joined else None
        if last is not None and block == replace(
            block, table=last.table, address=last.address + last.count
        ):
            joined[-1] = replace(last, count=last.count + block.count)
        else:
            joined.append(block)
    return joined


def _limit_lines(contact: FirstContact) -> Iterator[str]:
    step = contact.limit_step
    yield f"learned limit step: {'none' if step is None else f'{step:g} A'}"
    match contact.trial:
        case None:
            yield "limit test: not requested"
        case Obstacle() | str() as reason:
            yield f"limit test: {reason}"
        case trial:
            ending = "complete" if trial.is_complete else "ended early"
            failure = "" if trial.failure is None else f", {_failure(trial)}"
            yield f"limit test: {ending}{failure}"
            restored = [] if trial.restored is None else [trial.restored]
            for read in (*trial.steps, *restored):
                after = "" if read.seconds is None else f" after {read.seconds:.1f} s"
                yield (
                    f"  {read.written:g} A written, {_known(read.found)} A read{after}"
                )
