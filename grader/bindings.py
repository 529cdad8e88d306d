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
_MAIN_FIELDS = {name: op.main_field or "" for name, op in OPERATIONS.items()}


class Names:
    """The table of names of one case; a name is bound once and never changes."""

    __slots__ = ("_fields", "_main")

    def __init__(self, addresses: Mapping[str, Address], variables: Mapping[str, Value]) -> None:
        """Start with the addresses of the case and its axis values and `vars`."""
        self._main: dict[str, Plain] = dict(addresses)  # what a name alone stands for
        self._fields: dict[str, Mapping[str, Plain]] = {}
        for name, value in variables.items():
            self._main[name] = value if type(value) in _FINAL else self.resolve(value)  # type: ignore[assignment]  # the set holds plain types only

    def bind(self, step: Step, outcome: Succeeded) -> None:
        """Bind the names of `as` to what the step's call gave back."""
        binds = step.binds
        if len(binds) == 1:
            self._bind(binds[0], step, outcome)
        elif binds:
            for name, field in zip(binds, ("sock", "other"), strict=True):
                sock = outcome.fields.get(field)
                self._main[name], self._fields[name] = sock, {"sock": sock}

    def bind_winner(self, step: Step, outcome: Succeeded) -> None:
        """Bind `$winner` to what the call of a race that returned first gave back."""
        self._bind(WINNER, step, outcome)

    def _bind(self, name: str, step: Step, outcome: Succeeded) -> None:
        fields = outcome.fields
        self._main[name], self._fields[name] = fields.get(_MAIN_FIELDS[step.op]), fields

    def arguments(self, args: Mapping[str, Value]) -> dict[str, Plain]:
        """Fill in every reference of a call's arguments."""
        main = self._main
        filled: dict[str, Plain] = {}
        for name, value in args.items():  # asked for every call; most values are final, most others name a socket
            if type(value) in _FINAL:
                filled[name] = value  # type: ignore[assignment]  # as above
            elif type(value) is SockRef and value.name in main:
                filled[name] = main[value.name]
            else:
                filled[name] = self.resolve(value)
        return filled

    def resolve(self, value: Value) -> Plain:
        """Fill in every reference of a value.

        Raises:
            InternalError: a name is not bound; the loader must have let it through.
        """
        if type(value) in _FINAL:
            return value  # type: ignore[return-value]  # as above
        if isinstance(value, SockRef):
            return self._look_up(value.name)
        if isinstance(value, Ref):
            return self._look_up(value.name, value.field)
        match value:
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

    def _look_up(self, name: str, field: str | None = None) -> Plain:
        try:
            main = self._main[name]
            if field is None:
                return main
            if isinstance(main, (InetAddress, UnixAddress)) and field in (parts := _parts(main)):
                return parts[field]
            return self._fields[name][field]
        except KeyError:
            shown = f"{name}.{field}" if field else name
            raise InternalError(f"the name {shown} is used but nothing bound it") from None


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
