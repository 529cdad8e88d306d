"""Addresses of a case, of every kind in every domain, and the file system calls that go with AF_UNIX names."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from grader.model.errors import SandboxError, TargetError
from grader.model.marks import Mark
from grader.model.outcomes import Broken, Failed, Succeeded
from grader.model.scenarios import AddressSpec, Case, Scenario
from grader.model.values import Address, InetAddress, UnixAddress
from grader.ops import ADDRESS_KINDS
from grader.sandbox.netns import enter_fresh_network
from grader.targets.addresses import allot, path_operation
from tests.shell import same_network

_SCENARIO = Scenario("talk", "tests", "two sides talk", Mark("tests", 1, 1))
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def make(folder: Path, *, own_net: bool = True, **addresses: str) -> dict[str, Address]:
    """Make addresses given as `name="kind domain"`."""
    specs = {name: AddressSpec(*text.split()) for name, text in addresses.items()}
    return allot(Case("tests/talk", _SCENARIO, (), addresses=specs), folder, own_net=own_net)


def make_one(folder: Path, text: str, *, own_net: bool = True) -> Address:
    """Make one address."""
    return make(folder, own_net=own_net, srv=text)["srv"]


@pytest.mark.parametrize("own_net", [True, False])
@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("fresh inet", "127.0.0.1"),
        ("fresh inet6", "::1"),
        ("wildcard inet", "0.0.0.0"),
        ("wildcard inet6", "::"),
        ("foreign inet", "192.0.2.1"),
        ("foreign inet6", "2001:db8::1"),
        ("otherfam unix", "127.0.0.1"),
    ],
)
def test_an_internet_address_has_a_port_below_the_ephemeral_ones(
    text: str,
    ip: str,
    own_net: bool,  # noqa: FBT001 - a fact
    tmp_path: Path,
) -> None:
    """So that no implicit bind can take it."""
    address = make_one(tmp_path, text, own_net=own_net)

    assert isinstance(address, InetAddress)
    assert address.ip == ip
    assert 1024 < address.port < 32768


@pytest.mark.parametrize("domain", ["inet", "inet6"])
def test_an_ephemeral_address_leaves_the_port_to_the_system(domain: str, tmp_path: Path) -> None:
    """Port 0 on loopback."""
    address = make_one(tmp_path, f"ephemeral {domain}")

    assert address in {InetAddress("127.0.0.1", 0), InetAddress("::1", 0)}


def test_a_fresh_path_is_not_there_yet(tmp_path: Path) -> None:
    """Its folder is that of the case."""
    assert make_one(tmp_path, "fresh unix") == UnixAddress(str(tmp_path / "srv"))
    assert make_one(tmp_path, "otherfam inet") == UnixAddress(str(tmp_path / "srv"))
    assert list(tmp_path.iterdir()) == []


def test_a_stale_path_is_a_socket_without_an_owner(tmp_path: Path) -> None:
    """Connecting to it is refused; binding it again is refused too."""
    address = make_one(tmp_path, "stale unix")

    assert isinstance(address, UnixAddress)
    assert address.path is not None
    with socket.socket(socket.AF_UNIX) as sock:
        assert sock.connect_ex(address.path) == errno.ECONNREFUSED
        with pytest.raises(OSError, match=r"Address already in use"):
            sock.bind(address.path)


def test_unix_names_that_are_no_path(tmp_path: Path) -> None:
    """The system's choice, an abstract name, and one that fits into no sockaddr."""
    assert make_one(tmp_path, "ephemeral unix") == UnixAddress()
    abstract = make_one(tmp_path, "abstract unix")
    toolong = make_one(tmp_path, "toolong unix")

    assert isinstance(abstract, UnixAddress)
    assert isinstance(toolong, UnixAddress)
    assert abstract.abstract is not None
    assert toolong.path is not None
    assert len(toolong.path) > 108
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{abstract.abstract}")
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError, match=r"too long"):
        sock.bind(toolong.path)


@pytest.mark.parametrize("own_net", [True, False])
def test_names_of_a_case_differ(own_net: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a fact
    """Each placeholder has an address of its own."""
    addresses = make(tmp_path, own_net=own_net, a="fresh inet", b="fresh inet6", c="wildcard inet", d="fresh unix")

    assert set(addresses) == {"a", "b", "c", "d"}
    assert len({address.port for address in addresses.values() if isinstance(address, InetAddress)}) == 3


def test_abstract_names_of_two_cases_differ(tmp_path: Path) -> None:
    """Also where the cases share a network."""
    one, two = tmp_path / "one" / "1", tmp_path / "two" / "1"

    assert make_one(one, "abstract unix") != make_one(two, "abstract unix")


@pytest.mark.parametrize(
    ("kind", "domain"),
    [
        (kind, domain)
        for kind, (domains, *_) in ADDRESS_KINDS.items()
        for domain in ("unix", "inet", "inet6")
        if domain not in domains
    ],
)
def test_a_kind_that_a_domain_does_not_have_is_refused(kind: str, domain: str, tmp_path: Path) -> None:
    """The loader refuses it first; the driver does not guess."""
    with pytest.raises(TargetError, match=f"an address of kind {kind} does not exist in {domain}"):
        make_one(tmp_path, f"{kind} {domain}")


def test_every_kind_of_the_language_is_made(tmp_path: Path) -> None:
    """In each domain that has it."""
    for kind, (domains, *_) in ADDRESS_KINDS.items():
        for domain in domains:
            folder = tmp_path / f"{kind}-{domain}"
            folder.mkdir()
            assert isinstance(make_one(folder, f"{kind} {domain}"), (InetAddress, UnixAddress))


@pytest.fixture
def busy() -> Iterator[ExitStack]:
    """Collect sockets that hold ports."""
    with same_network(), ExitStack() as stack:
        with suppress(SandboxError):  # where nobody else takes a port meanwhile, if this account may
            enter_fresh_network()
        yield stack


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize(("domain", "ip"), [("inet", "127.0.0.1"), ("inet", "127.0.0.9"), ("inet6", "::1")])
def test_in_a_shared_network_a_port_that_somebody_holds_is_left_out(
    domain: str, ip: str, kind: socket.SocketKind, busy: ExitStack, tmp_path: Path
) -> None:
    """Whatever the address, the domain and the protocol of who holds it."""
    first = make_one(tmp_path, "fresh inet", own_net=False)
    assert isinstance(first, InetAddress)
    taken = range(first.port + 1, first.port + 4)
    for port in taken:
        busy.enter_context(socket.socket(FAMILIES[domain], kind)).bind((ip, port))

    address = make_one(tmp_path, "fresh inet", own_net=False)

    assert isinstance(address, InetAddress)
    assert address.port not in taken


def test_paths_are_looked_at_and_made(tmp_path: Path) -> None:
    """What the steps `path_type`, `make_file` and `unlink` do."""
    there = UnixAddress(str(tmp_path / "srv"))
    (tmp_path / "link").symlink_to("nowhere")

    def type_of(address: UnixAddress) -> object:
        outcome = path_operation("path_type", address)
        assert isinstance(outcome, Succeeded)
        return outcome.fields["type"]

    assert type_of(there) == "none"
    assert path_operation("make_file", there) == Succeeded({})
    assert type_of(there) == "file"
    assert path_operation("make_file", there) == Failed("EEXIST", errno.EEXIST)
    assert path_operation("unlink", there) == Succeeded({})
    assert path_operation("unlink", there) == Failed("ENOENT", errno.ENOENT)
    assert type_of(UnixAddress(str(tmp_path))) == "directory"
    assert type_of(UnixAddress(str(tmp_path / "link"))) == "other"
    make_one(tmp_path, "stale unix")
    assert type_of(there) == "socket"


@pytest.mark.parametrize("address", [InetAddress("127.0.0.1", 1), UnixAddress(), UnixAddress(abstract="a"), None])
def test_a_path_operation_needs_a_path(address: Address | None) -> None:
    """Anything else is a mistake of the scenario."""
    outcome = path_operation("unlink", address)

    assert isinstance(outcome, Broken)
    assert outcome.cause == "invalid-suite"
    assert outcome.reason.startswith("unlink needs an AF_UNIX path, not ")
