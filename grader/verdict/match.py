"""Does an outcome fit an expectation? Pure functions; nothing here knows how the outcome came about."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence

from grader.bindings import Names
from grader.model.expectations import (
    SUCCESS,
    AddressLike,
    Alternative,
    Anything,
    Between,
    BytesLike,
    Exactly,
    Expectation,
    Failure,
    Matcher,
    Not,
    OneOf,
    Pattern,
    SetLike,
    Signalled,
    StillPending,
    Success,
    Unnamed,
    Whatever,
)
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Succeeded, Unoffered
from grader.model.scenarios import Step
from grader.model.values import InetAddress, Plain, UnixAddress
from grader.model.verdicts import Decision

_MATCHED = Decision.MATCHED  # nearly every step asks for it, and an enum's members are slow to get at
# Symbols that are one number on the systems we know; a target may bring more.
# Source: POSIX.1-2024 <errno.h>: EAGAIN and EWOULDBLOCK, ENOTSUP and EOPNOTSUPP may be the same.
_ONE_NUMBER = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP"}


def fits_pattern(pattern: Pattern, outcome: Outcome, names: Names) -> bool:
    """Say whether an outcome is of this pattern."""
    if isinstance(pattern, Success):  # nearly every pattern is: it does not wait for the others to be tried
        wanted = pattern.fields
        return isinstance(outcome, Succeeded) and (not wanted or _fits_fields(wanted, outcome.fields, names))
    match pattern:
        case Failure(errnos, signal):
            return isinstance(outcome, Failed) and _fits_failure(errnos, signal, outcome)
        case Whatever():
            return not isinstance(outcome, (Broken, Unoffered))  # those are no outcomes of the call
        case Signalled(signal):
            if isinstance(outcome, (Succeeded, Failed)):
                return signal in outcome.signals
            return isinstance(outcome, Ended) and outcome.how == "signal" and outcome.name == signal
        case StillPending():
            return isinstance(outcome, Pending)


def _fits_failure(errnos: tuple[str, ...], signal: str | None, outcome: Failed) -> bool:
    wanted = {canonical_errno(name) for name in errnos}
    if wanted and canonical_errno(outcome.errno) not in wanted:
        return False
    if signal is None:
        return True
    return not outcome.signals if signal == "none" else signal in outcome.signals


def canonical_errno(name: str) -> str:
    """Give the one name used for an errno that has several."""
    return _ONE_NUMBER.get(name, name)


def _fits_fields(fields: tuple[tuple[str, Matcher], ...], seen: Mapping[str, Plain], names: Names) -> bool:
    return all(name in seen and fits_value(matcher, seen[name], names) for name, matcher in fields)


def fits_value(matcher: Matcher, seen: Plain, names: Names) -> bool:
    """Say whether a field's value is as wanted."""
    if isinstance(matcher, Exactly):
        return same(seen, names.resolve(matcher.value))
    match matcher:
        case Anything():
            return True
        case OneOf(values):
            return any(same(seen, names.resolve(value)) for value in values)
        case Not(inner):
            return not fits_value(inner, seen, names)
        case Between(low, high):
            return _is_between(seen, names.resolve(low), names.resolve(high))
        case BytesLike(how, value):
            return isinstance(seen, (bytes, str)) and _BYTES[how](_as_bytes(seen), names.resolve(value))
        case SetLike(how, values):
            return _fits_set(how, seen, [names.resolve(value) for value in values])
        case AddressLike():
            return _fits_address(matcher, seen, names)
        case Unnamed():
            return is_unnamed(seen)


def same(one: Plain, other: Plain) -> bool:
    """Compare two values; addresses by family, address, port and scope, never by their text."""
    if type(one) is not type(other):
        return _as_bytes(one) == _as_bytes(other) if {type(one), type(other)} == {str, bytes} else False
    if isinstance(one, InetAddress) and isinstance(other, InetAddress) and one != other:
        return (_ip(one.ip), one.port, one.scope) == (_ip(other.ip), other.port, other.scope)
    return one == other


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """Give an address by value; a text that is none (student code may say anything) equals itself only."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return text


def _is_between(seen: Plain, low: Plain, high: Plain) -> bool:
    if isinstance(seen, bool) or not isinstance(seen, (int, float)):
        return False
    return (not isinstance(low, (int, float)) or seen >= low) and (not isinstance(high, (int, float)) or seen <= high)


def _as_bytes(value: Plain) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


_BYTES: dict[str, Callable[[bytes, Plain], bool]] = {
    "starts": lambda seen, value: seen.startswith(_as_bytes(value)),
    "ends": lambda seen, value: seen.endswith(_as_bytes(value)),
    "prefix_of": lambda seen, value: _as_bytes(value).startswith(seen),
    "length": lambda seen, value: len(seen) == value,
    "sha256": lambda seen, value: hashlib.sha256(seen).hexdigest() == value,
}


def _has_all(seen: Sequence[Plain], wanted: Sequence[Plain]) -> bool:
    return all(any(same(item, value) for item in seen) for value in wanted)


_SETS: dict[str, Callable[[Sequence[Plain], Sequence[Plain]], bool]] = {
    "exact": lambda seen, wanted: len(set(seen)) == len(set(wanted)) and _has_all(seen, wanted),
    "has": _has_all,
    "lacks": lambda seen, unwanted: not any(same(item, value) for item in seen for value in unwanted),
}


# What is said of a set can be said of a text, of which it is a part.
_TEXTS: dict[str, Callable[[str, Sequence[Plain]], bool]] = {
    "exact": lambda seen, wanted: [seen] == list(wanted),
    "has": lambda seen, wanted: all(str(value) in seen for value in wanted),
    "lacks": lambda seen, unwanted: not any(str(value) in seen for value in unwanted),
}


def _fits_set(how: str, seen: Plain, wanted: Sequence[Plain]) -> bool:
    if isinstance(seen, str):
        return _TEXTS[how](seen, wanted)
    return isinstance(seen, tuple) and _SETS[how](seen, wanted)


def _fits_address(matcher: AddressLike, seen: Plain, names: Names) -> bool:
    if isinstance(seen, InetAddress):
        return matcher.path is None and all(
            part is None or _fits_part(part, value, names)
            for part, value in ((matcher.ip, seen.ip), (matcher.port, seen.port))
        )
    if isinstance(seen, UnixAddress):
        return (
            matcher.ip is None
            and matcher.port is None
            and (matcher.path is None or fits_value(matcher.path, seen.path, names))
        )
    return False


def _fits_part(part: Matcher, seen: Plain, names: Names) -> bool:
    """Match one part of an address; an ip is compared as an address, `::1` and `0:0:0:0:0:0:0:1` alike."""
    match part:
        case Not(inner):
            return not _fits_part(inner, seen, names)
        case OneOf(values):
            return any(_fits_part(Exactly(value), seen, names) for value in values)
        case Exactly(value) if isinstance(seen, str) and isinstance(wanted := names.resolve(value), str):
            return _ip(seen) == _ip(wanted)
        case _:
            return fits_value(part, seen, names)


def is_unnamed(seen: Plain) -> bool:
    """Say whether an address is the unspecified one: wildcard and port 0, or an empty AF_UNIX name."""
    if isinstance(seen, InetAddress):
        ip = _ip(seen.ip)
        return seen.port == 0 and not isinstance(ip, str) and ip.is_unspecified
    return isinstance(seen, UnixAddress) and not seen.path and seen.abstract is None


def alternative_for(step: Step, outcome: Outcome, names: Names) -> Alternative | None:
    """Give the alternative of the step's expectation that the outcome fits, the first in order."""
    for one in step.expect.alternatives:
        if fits_pattern(one.pattern, outcome, names):
            return one
    return None


def fits_step(step: Step, outcome: Outcome, names: Names) -> bool:
    """Say whether an outcome is what its step had to give."""
    expect = step.expect
    rule = _RULES.get(step.op)
    if rule is not None:
        return rule(expect, outcome)
    if expect is SUCCESS:
        return isinstance(outcome, Succeeded)
    if expect.blocks:
        return isinstance(outcome, Pending)
    fits = alternative_for(step, outcome, names) is not None
    if expect.negated:
        # Only a call that came back can be "anything but": a crash or a hang is not another errno.
        return not fits and isinstance(outcome, (Succeeded, Failed))
    return fits


def fits_collected(step: Step, outcomes: Sequence[Outcome], names: Names) -> bool:
    """Say whether the outcomes of a `collect` are those it had to gather."""
    if step.expect.in_any_order:
        return fits_in_any_order(step.expect.in_any_order, outcomes, names)
    return len(outcomes) == len(step.inner) and all(fits_step(step, outcome, names) for outcome in outcomes)


def decide(step: Step, outcome: Outcome, names: Names) -> Decision:
    """Say whether the case goes on after this outcome, or an `eventually` may stop trying."""
    if fits_step(step, outcome, names):
        return _MATCHED
    if isinstance(outcome, (Broken, Unoffered, Ended, Pending)):
        return Decision.HOPELESS  # it cannot be made, or its actor is lost: nobody is there to try again
    hopeless = step.give_up_on is not None and fits_pattern(step.give_up_on, outcome, names)
    return Decision.HOPELESS if hopeless else Decision.DIFFERENT


def _all_distinct(values: Sequence[Plain]) -> bool:
    return not any(same(one, other) for at, one in enumerate(values) for other in values[at + 1 :])


def _all_same(values: Sequence[Plain]) -> bool:
    return all(same(values[0], other) for other in values[1:])


def _fits_race(expect: Expectation, outcome: Outcome) -> bool:
    wanted = {"returned": expect.returned, "pending": expect.pending}
    return isinstance(outcome, Succeeded) and all(
        value is None or outcome.fields[name] == value for name, value in wanted.items()
    )


def _asserting(holds: Callable[[Sequence[Plain]], bool]) -> Callable[[Expectation, Outcome], bool]:
    def fits(_: Expectation, outcome: Outcome) -> bool:
        values = outcome.fields["values"] if isinstance(outcome, Succeeded) else None
        return isinstance(values, tuple) and holds(values)

    return fits


# Operations whose end is weighed in a way of their own.
_RULES: dict[str, Callable[[Expectation, Outcome], bool]] = {
    "still_blocked": lambda _, outcome: isinstance(outcome, Pending),
    "race": _fits_race,
    "distinct": _asserting(_all_distinct),
    "same": _asserting(_all_same),
    "equal": _asserting(_all_same),
    "bytes_prefix": _asserting(lambda values: _as_bytes(values[1]).startswith(_as_bytes(values[0]))),
}


def fits_in_any_order(patterns: Sequence[Pattern], outcomes: Sequence[Outcome], names: Names) -> bool:
    """Say whether the outcomes can be paired with the patterns, one to one."""
    if len(patterns) != len(outcomes):
        return False
    return _can_pair(list(patterns), list(outcomes), names)


def _can_pair(patterns: list[Pattern], outcomes: list[Outcome], names: Names) -> bool:
    if not outcomes:
        return True
    first, *others = outcomes
    return any(
        fits_pattern(pattern, first, names) and _can_pair(patterns[:at] + patterns[at + 1 :], others, names)
        for at, pattern in enumerate(patterns)
    )
