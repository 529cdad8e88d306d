"""The target `host` where networks of its own are not to be had, and as a plain user."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from grader import pipeline
from grader.model.scenarios import Case
from grader.model.values import InetAddress
from grader.model.verdicts import Verdict
from grader.selection import select
from grader.targets.host import open_host
from grader.targets.protocol import Target
from tests.shell import ROOT, python, same_network

SOME = tuple(str(ROOT / "suites" / "api" / name) for name in ("naming", "port-space", "listen-accept/backlog.yaml"))

# What must not be done as root, because root may do everything. Modules are loaded before, because the folder of this
# Python may be closed to others. A process that changes its user hides from itself in /proc; one that logs in does not.
PLAIN_USER = """
import ctypes, encodings.ascii, json, os, sys, threading
from grader.batch.executor import Order, run
from grader.model.errors import SandboxError
from grader.sandbox import netns
from grader.selection import select
import grader.targets.host
cases = select(sys.argv[2:]).cases
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
    ctypes.CDLL(None).prctl(4, int(sys.argv[1] != "hidden"), 0, 0, 0)
if sys.argv[1] == "threads":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    netns.enter_fresh_network()
    refused = ""
except SandboxError as error:
    refused = str(error)
pairs = list(run(cases, Order("host")))
print(json.dumps({
    "refused": refused,
    "isolation": sorted({history.isolation for _, history in pairs if history.isolation}),
    "reasons": {result.case: f"{result.verdict} {result.reason}" for result, _ in pairs if result.verdict != "PASS"},
    "cases": len(pairs),
}))
"""


@pytest.fixture
def crowded() -> Iterator[Target]:
    """Open this host without networks for cases."""
    with same_network(), closing(open_host(fresh_networks=False)) as target:
        yield target


def as_plain_user(manner: str) -> Any:
    """Run cases as a user who may nothing: `alone`, with other `threads`, or `hidden` from itself."""
    told = python(PLAIN_USER, manner, *SOME)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def ports_of(case: Case, target: Target) -> set[int]:
    """Give the ports that a case was given."""
    _, history = pipeline.run_case(case, target)
    return {address.port for address in history.addresses.values() if isinstance(address, InetAddress)} - {0}


def test_cases_pass_in_a_network_that_they_share(crowded: Target) -> None:
    """What needs a network of its own is UNSUPPORTED, with the reason; everything else passes."""
    results = [pipeline.run_case(case, crowded)[0] for case in select(SOME).cases]

    others = [result for result in results if result.verdict is not Verdict.PASS]
    assert len(results) - len(others) > 100
    assert {result.verdict for result in others} <= {Verdict.UNSUPPORTED}, others
    assert {result.reason for result in others} <= {"needs own-net: one network was asked for"}
    assert "own-net" not in crowded.profile.features


def test_cases_that_share_a_network_have_different_ports(crowded: Target) -> None:
    """A port is not used again soon, whatever state its last user left behind."""
    cases = select([f"{SOME[0]}/bind.yaml"]).cases[:20]

    ports = [ports_of(case, crowded) for case in cases]

    assert sum(map(len, ports)) == len(set().union(*ports)) > 10


def test_nobody_knows_whether_a_shared_network_is_at_rest(crowded: Target) -> None:
    """Others may be about to wake a call, so deadlines decide."""
    with crowded.session(select(SOME).cases[0]) as session:
        assert not session.is_settled()


def test_ports_that_somebody_holds_are_left_out(crowded: Target) -> None:
    """A server that runs beside us is in nobody's way."""
    cases = [case for case in select([f"{SOME[0]}/bind.yaml"]).cases if "[inet-stream]" in case.id]
    (before,) = ports_of(next(case for case in cases if len(case.addresses) == 1), crowded)

    with socket.create_server(("127.0.0.1", before + 1)):
        ports = [ports_of(case, crowded) for case in cases[:3]]

    assert before + 1 not in set().union(*ports)


@pytest.mark.slow
def test_a_plain_user_runs_cases() -> None:
    """In networks of user namespaces, or in the host's with the reason: the verdicts are the same."""
    came = as_plain_user("alone")

    (isolation,) = came["isolation"]
    assert came["cases"] > 100
    assert came["refused"].startswith("a network namespace cannot be made: ")
    if "network namespace for each case" in isolation:
        assert came["reasons"] == {}
    else:
        assert "user namespaces are refused" in str(came)
        assert all(reason.startswith("UNSUPPORTED needs own-net: ") for reason in came["reasons"].values())


@pytest.mark.slow
def test_a_plain_user_with_several_threads_shares_the_network() -> None:
    """Only a process with one thread may enter a user namespace; it is said, and the cases pass."""
    came = as_plain_user("threads")

    assert came["isolation"] != ["a network namespace for each case"]
    assert came["cases"] > 100
    assert all(
        reason == "UNSUPPORTED needs own-net: a plain user's process with several threads cannot enter a user namespace"
        for reason in came["reasons"].values()
    ), came["reasons"]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may enter and then may nothing")
def test_a_user_namespace_that_is_useless_is_not_entered() -> None:
    """Where its maps are refused, as on a hardened host, the cases run in the host's network and pass."""
    came = as_plain_user("hidden")

    assert came["isolation"] != ["a network namespace for each case"]
    assert "user namespaces are refused: Permission denied" in came["isolation"][0]
    assert all(reason.startswith("UNSUPPORTED needs own-net: ") for reason in came["reasons"].values()), came["reasons"]
