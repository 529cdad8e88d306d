"""What this machine offers, found out by doing it, and what to do about what is missing."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from grader import pipeline
from grader.model.errors import SockgradeError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: its name, what was found, whether it is as it should be, and what to do if not."""

    name: str
    found: str
    is_fine: bool = True
    advice: str = ""


def examine() -> Iterator[Check]:
    """Look at everything a run stands on, one check at a time."""
    for look in (_python, _kernel, _yaml, _suites, _level):
        yield look()
    yield from _wall()
    for look in (_introspection, _target_host, _target_module):
        yield look()


def _python() -> Check:
    is_fine = sys.version_info >= (3, 11)
    return Check("Python", platform.python_version(), is_fine, "install Python 3.11 or newer")


def _kernel() -> Check:
    system = f"{platform.system()} {platform.release()} {platform.machine()}, as {_account()}"
    return Check("system", system, platform.system() == "Linux", "the targets need Linux")


def _account() -> str:
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"


def _yaml() -> Check:
    from grader.scenario import has_libyaml

    found = "libyaml" if has_libyaml() else "pure Python: files load about ten times slower"
    return Check("YAML", found, has_libyaml(), "install a PyYAML wheel that was built with libyaml")


def _suites() -> Check:
    from grader.selection import select

    try:
        selection = select(())
    except SockgradeError as error:
        return Check("suites", str(error), is_fine=False, advice="install sockgrade again")
    found = f"{len(selection.cases)} cases in {pipeline.suites_folder()}"
    return Check("suites", found, not selection.errors, "run: sockgrade lint")


def _level() -> Check:
    """Say what stands between a student's program and this host."""
    from grader.sandbox import levels

    advice = "do what the checks below say; until then untrusted programs need --accept-weak-isolation"
    try:
        level = levels.best()
    except SockgradeError as error:
        return Check("isolation", str(error), is_fine=False, advice=advice)
    loss = f"; but {levels.LOSSES[level]}" if levels.LOSSES[level] else ""
    return Check("isolation", f"level {level}: {levels.PROMISES[level]}{loss}", level.has_namespaces, advice)


def _wall() -> Iterator[Check]:
    """Try everything that the wall stands on, and then whether it holds."""
    from grader.sandbox import levels, selftest

    yield from (Check(probe.name, probe.seen, probe.is_fine, probe.advice) for probe in levels.probe_everything())
    try:
        yield from (Check(probe.name, probe.seen, probe.is_fine, probe.advice) for probe in selftest.check())
    except SockgradeError as error:
        yield Check("trying the wall", str(error), is_fine=False, advice="see the checks above")


def _introspection() -> Check:
    """Look at a thread of our own that certainly sleeps."""
    from grader.sandbox.introspect import look_at_thread

    release = threading.Event()
    sleeper = threading.Thread(target=release.wait, name="sleeper")
    sleeper.start()
    look = look_at_thread(os.getpid(), sleeper.native_id or 0)
    release.set()
    sleeper.join()
    return Check(
        "seeing blocked calls",
        "through /proc" if look.state != "unknown" else look.evidence or "/proc refuses",
        look.state != "unknown",
        "allow this account to read /proc/PID/syscall of its own processes; until then waits are judged by deadlines",
    )


def _target_host() -> Check:
    return _target("host")


def _target_module() -> Check:
    return _target("module:socket")


def _target(spec: str) -> Check:
    from grader.targets.resolve import open_target

    try:
        target = open_target(spec)
    except SockgradeError as error:
        return Check(f"target {spec}", str(error), is_fine=False, advice="see the checks above")
    profile = target.profile
    target.close()
    missing = ", ".join(f"no {name} ({why})" for name, why in sorted(profile.missing.items()))
    return Check(f"target {spec}", f"starts; {profile.isolation}" + (f"; {missing}" if missing else ""))
