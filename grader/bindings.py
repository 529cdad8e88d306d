"""Names to values: what the steps so far have bound.

The engine uses it to fill in arguments, the verdict to fill in expectations; both bind the same way,
so a history can be judged again without the run.
"""

from __future__ import annotations

from collections.abc import Mapping

from grader.model.errors import InternalError
from grader.model.outcomes import Succeeded
from grader.model.scenarios import Step
from grader.model.values import Address, Concat, InetAddress, InetParts, Plain, Ref, SockRef, UnixAddress, Value, Watch
from grader.ops import OPERATIONS

# What every race binds: the call that returned first.
WINNER = "winner"


_FINAL = frozenset({type(None), bool, int, float, str, bytes, InetAddress, UnixAddress})


class Names:
    """The table of names of one case; a name is bound once and never changes."""

    __slots__ = ("_fields",)

    def __init__(self, addresses: Mapping[str, Address], variables: Mapping[str, Value]) -> None:
        """Start with the addresses of the case and its axis values and `vars`."""
        self._fields: dict[str, Mapping[str, Plain]] = {}
        for name, address in addresses.items():
            self._fields[name] = {"": address, **_parts(address)}
        for name, value in variables.items():
            self._fields[name] = {"": self.resolve(value)}

    def bind(self, step: Step, outcome: Succeeded) -> None:
        """Bind the names of `as` to what the step's call gave back."""
        if not step.binds:
            return
        bound = _fields_of(step, outcome)
        if len(step.binds) == 2:
            self._fields[step.binds[0]] = {"": bound[""], "sock": bound[""]}
            other = outcome.fields.get("other")
            self._fields[step.binds[1]] = {"": other, "sock": other}
            return
        self._fields[step.binds[0]] = bound

    def bind_winner(self, step: Step, outcome: Succeeded) -> None:
        """Bind `$winner` to what the call of a race that returned first gave back."""
        self._fields[WINNER] = _fields_of(step, outcome)

    def resolve(self, value: Value) -> Plain:
        """Fill in every reference of a value.

        Raises:
            InternalError: a name is not bound; the loader must have let it through.
        """
        if type(value) in _FINAL:  # most values are, and this is asked for every argument of every call
            return value  # type: ignore[return-value]  # the table holds plain types only
        match value:
            case Ref(name, field):
                return self._look_up(name, field or "")
            case SockRef(name):
                return self._look_up(name, "")
            case Concat(parts):
                return b"".join(_as_bytes(self.resolve(part)) for part in parts)
            case InetParts(ip, port):
                return _inet(self.resolve(ip), self.resolve(port))
            case Watch(sock, events):
                return (self.resolve(sock), events)
            case tuple():
                return tuple(self.resolve(item) for item in value)
            case _:
                return value

    def _look_up(self, name: str, field: str) -> Plain:
        try:
            return self._fields[name][field]
        except KeyError:
            shown = f"{name}.{field}" if field else name
            raise InternalError(f"the name {shown} is used but nothing bound it") from None


def _fields_of(step: Step, outcome: Succeeded) -> dict[str, Plain]:
    """Give what a name of the step stands for: its main field under no name, the others under theirs."""
    main = outcome.fields.get(OPERATIONS[step.op].main_field or "")
    bound: dict[str, Plain] = {"": main, **outcome.fields}
    if isinstance(main, (InetAddress, UnixAddress)):
        bound.update(_parts(main))
    return bound


def _parts(address: Address) -> dict[str, Plain]:
    if isinstance(address, InetAddress):
        return {"addr": address, "ip": address.ip, "port": address.port}
    return {"addr": address, "path": address.path}


def _as_bytes(part: Plain) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return part.encode("ascii")
    raise InternalError(f"{part!r} is not bytes and cannot be part of data")


def _inet(ip: Plain, port: Plain) -> InetAddress:
    if not isinstance(ip, str) or not isinstance(port, int):
        raise InternalError(f"{ip!r}:{port!r} is not an Internet address")
    return InetAddress(ip, port)
