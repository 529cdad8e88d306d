"""The filter of system calls, carried out here instruction by instruction."""

from __future__ import annotations

import errno
import struct

import pytest

from grader.model.errors import SandboxError
from grader.sandbox import seccomp
from grader.sandbox.seccomp import _MACHINES

ALLOWED, KILLED = "allowed", "killed"
MACHINES = pytest.mark.parametrize("name", _MACHINES)


def run(program: bytes, number: int, *arguments: int, architecture: int) -> str:
    """Carry out a filter as the kernel does; gives the symbol of an errno, or what else happens."""
    call = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, *(0,) * 6)[:6])
    instructions = list(struct.iter_unpack("=HBBI", program))
    at, loaded = 0, 0
    while True:
        code, yes, no, operand = instructions[at]
        at += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", call, operand)
        elif code == 0x06:
            named = {0x7FFF0000: ALLOWED, 0x80000000: KILLED}
            return named.get(operand) or errno.errorcode[operand & 0xFFFF]
        else:
            is_so = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: bool(loaded & operand)}[code]
            at += yes if is_so else no


@MACHINES
def test_a_call_is_answered_as_the_table_says(name: str) -> None:
    """Every call of the two lists, and none beside them."""
    machine = _MACHINES[name]
    answers = {
        **dict.fromkeys(machine.absent.values(), "ENOSYS"),
        **dict.fromkeys(machine.refused.values(), "EPERM"),
        **dict.fromkeys((machine.socket, machine.socketpair), "EAFNOSUPPORT"),  # of family 0
    }

    for number in range(600):
        seen = run(seccomp.program(name), number, architecture=machine.architecture)
        assert seen == answers.get(number, ALLOWED), number


@MACHINES
@pytest.mark.parametrize(
    ("family", "protocol", "answer"),
    [(1, 0, ALLOWED), (2, 6, ALLOWED), (10, 17, ALLOWED), (16, 0, ALLOWED), (16, 4, "EPROTONOSUPPORT"),
     (17, 0, "EAFNOSUPPORT"), (38, 0, "EAFNOSUPPORT"), (40, 0, "EAFNOSUPPORT")],
)  # fmt: skip
def test_families_that_a_network_contains_are_allowed(name: str, family: int, protocol: int, answer: str) -> None:
    """AF_UNIX, AF_INET, AF_INET6; of netlink only what lists interfaces."""
    machine = _MACHINES[name]

    for number in (machine.socket, machine.socketpair):
        call = (number, family, 1, protocol)
        assert run(seccomp.program(name), *call, architecture=machine.architecture) == answer


@MACHINES
def test_processes_and_threads_are_allowed_but_no_namespaces(name: str) -> None:
    """clone() with the flags of fork() and of a thread, and with each flag that makes a namespace."""
    machine = _MACHINES[name]
    fork, thread = 0x01200011, 0x003D0F00

    for flags in (fork, thread):
        assert run(seccomp.program(name), machine.clone, flags, architecture=machine.architecture) == ALLOWED
    for bit in (7, 17, *range(25, 31)):
        refused = run(seccomp.program(name), machine.clone, fork | 1 << bit, architecture=machine.architecture)
        assert refused == "EPERM"


@MACHINES
def test_calls_of_another_table_kill(name: str) -> None:
    """The 32-bit table of either machine, and x32, whose numbers begin high."""
    machine = _MACHINES[name]

    for foreign in (0x40000003, 0x40000028, 0):
        assert run(seccomp.program(name), 0, architecture=foreign) == KILLED
    assert run(seccomp.program(name), 0x40000000, architecture=machine.architecture) == KILLED


def test_an_unknown_machine_is_said() -> None:
    """Without its numbers there is no filter, and so no wall."""
    with pytest.raises(SandboxError, match="no list of system calls for pdp11: only x86_64 and aarch64 are known"):
        seccomp.program("pdp11")
