"""What a step must give: matchers for fields, patterns for outcomes, expectations for steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from grader.model.values import Value


@dataclass(frozen=True, slots=True)
class Exactly:
    """The field equals this value (addresses by family, address, port and scope)."""

    value: Value


@dataclass(frozen=True, slots=True)
class Anything:
    """The field may hold whatever it likes."""


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `low` to `high`, both included; a bound of None is open."""

    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field equals one of these values."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The field does not match."""

    matcher: Matcher


@dataclass(frozen=True, slots=True)
class BytesLike:
    """Bytes by their shape: `how` is starts, ends, prefix_of, length or sha256."""

    how: str
    value: Value


@dataclass(frozen=True, slots=True)
class SetLike:
    """A set by its members: `how` is exact, has or lacks."""

    how: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AddressLike:
    """An address by its parts; a part of None is not looked at."""

    ip: Matcher | None = None
    port: Matcher | None = None
    path: Matcher | None = None


@dataclass(frozen=True, slots=True)
class Unnamed:
    """The unspecified address: wildcard and port 0, or an empty AF_UNIX name."""


Matcher: TypeAlias = Exactly | Anything | Between | OneOf | Not | BytesLike | SetLike | AddressLike | Unnamed


@dataclass(frozen=True, slots=True)
class Success:
    """The call returned and the listed fields match; others are not looked at."""

    fields: tuple[tuple[str, Matcher], ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """The call failed with one of `errnos` (none listed: with any).

    `signal` None does not ask; `none` wants no signal raised; a name wants that signal.
    """

    errnos: tuple[str, ...] = ()
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Signalled:
    """The call raised this signal, whether or not the process survived it."""

    signal: str


@dataclass(frozen=True, slots=True)
class StillPending:
    """The call has not returned."""


@dataclass(frozen=True, slots=True)
class Whatever:
    """Any outcome at all."""


Pattern: TypeAlias = Success | Failure | Signalled | StillPending | Whatever


@dataclass(frozen=True, slots=True)
class Alternative:
    """One acceptable outcome; `tolerated` passes but is shown, `because` quotes the rule that allows it."""

    pattern: Pattern
    because: str = ""
    tolerated: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a step must give: one of `alternatives`, tried in order; `negated` turns it round.

    `blocks` wants the call seen blocked and then left alone. `in_any_order` belongs to `collect`,
    `returned` and `pending` to `race`.
    """

    alternatives: tuple[Alternative, ...] = (Alternative(Success()),)
    negated: bool = False
    blocks: bool = False
    in_any_order: tuple[Pattern, ...] = ()
    returned: int | None = None
    pending: int | None = None


# What a step without `expect` must give; nearly all have this very object, by which they are known at once.
SUCCESS = Expectation()


@dataclass(frozen=True, slots=True)
class Mistake:
    """A known wrong outcome and the sentence a student gets for it; never changes a verdict."""

    got: Pattern
    hint: str
