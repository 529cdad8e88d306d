"""Between the nouns of the model and the plain dicts that an agent speaks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from grader.model.values import Address, InetAddress, Plain, UnixAddress

_ADDRESS_FIELDS = ("addr", "peer")


@lru_cache(maxsize=4096)
def address_to_wire(address: Address) -> Mapping[str, Any]:
    """Give the wire form of an address: `ip`, `port`, `scope`; `path`; `abstract`; or nothing."""
    if isinstance(address, InetAddress):
        return {"ip": address.ip, "port": address.port, "scope": address.scope}
    if address.path is not None:
        return {"path": address.path}
    return {} if address.abstract is None else {"abstract": address.abstract}


def address_from_wire(wire: Mapping[str, Any]) -> Address:
    """Read the wire form of an address."""
    if "ip" in wire:
        return InetAddress(wire["ip"], wire["port"], wire.get("scope", 0))
    return UnixAddress(wire.get("path"), wire.get("abstract"))


def args_to_wire(args: Mapping[str, Plain]) -> Mapping[str, Any]:
    """Give a call's arguments with its address, if it has one, in wire form."""
    address = args.get("addr")
    return {**args, "addr": address_to_wire(address)} if isinstance(address, (InetAddress, UnixAddress)) else args


def fields_from_wire(fields: dict[str, Any]) -> dict[str, Plain]:
    """Turn the addresses among a call's result fields into nouns, in place."""
    for name in _ADDRESS_FIELDS:
        if name in fields:
            fields[name] = address_from_wire(fields[name])
    return fields
