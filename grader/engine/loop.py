"""The one loop that waits: carries out the machine's commands on a session and writes the history."""

from __future__ import annotations

from grader.bindings import Names
from grader.engine.commands import AskSettled, Await, AwaitBlocked, Clock, Decide, LookAt, Reply
from grader.engine.machine import Machine
from grader.model.errors import InternalError, SandboxError, TargetError
from grader.model.histories import History
from grader.model.scenarios import Case
from grader.targets.protocol import Answer, Call, Look, Session, Target

# How often a call that is not yet asleep is looked at again, while any answer wakes us at once.
_LOOK_AGAIN_S = 0.0005


def run(case: Case, target: Target, decide: Decide, *, time_scale: float = 1.0) -> History:
    """Run a case against a target; what goes wrong on our side is written into the history, not raised.

    Time is that of the session's clock, so `seconds` of a history from a model are virtual too.
    """
    began = 0
    machine: Machine | None = None
    session: Session | None = None
    fault = fault_cause = ""
    try:
        with target.session(case) as session:
            clock = session.clock
            began = clock()
            machine = Machine(case, Names(session.addresses, case.variables), decide, clock, time_scale)
            _drive(machine, session, clock)
            stdout = session.output()
    except (SandboxError, TargetError) as error:
        fault, fault_cause = str(error), "host" if isinstance(error, SandboxError) else "harness"
    except Exception as error:  # noqa: BLE001 - the one line that turns the unknown into UNRESOLVED
        fault, fault_cause = f"{type(error).__name__}: {error}", "harness"
    return History(
        case=case.id,
        target=target.profile.name,
        digest=case.digest,
        addresses={} if session is None else session.addresses,
        events=() if machine is None else tuple(machine.events),
        complete=not fault,
        fault=fault,
        fault_cause=fault_cause or "harness",
        stdout="" if fault else stdout,
        seconds=0.0 if session is None else (session.clock() - began) / 1e9,
        isolation=target.profile.isolation,
    )


def _drive(machine: Machine, session: Session, clock: Clock) -> None:
    script = machine.run()
    reply: Reply = None
    issue = session.issue
    while True:
        try:
            command = script.send(reply)
        except StopIteration:
            return
        if type(command) is Call:
            reply = issue(command)
        elif type(command) is Await:
            reply = session.wait(max(0, command.until_ns - clock()) / 1e9)
        elif type(command) is AwaitBlocked:
            reply = _await_blocked(session, command, clock)
        elif type(command) is LookAt:
            reply = session.look(command.call)
        elif type(command) is AskSettled:
            reply = session.is_settled()
        else:
            raise InternalError(f"the machine gave a command nobody knows: {command!r}")


def _await_blocked(session: Session, command: AwaitBlocked, clock: Clock) -> Answer | Look:
    while True:
        answer = session.wait(0)
        if answer is not None:
            return answer
        look = session.look(command.call)
        if look.state in {"blocked", "unknown"} or clock() >= command.until_ns:
            # An answer that came between the two looks at the world goes first: it is the newer fact.
            return session.wait(0) or look
        answer = session.wait(_LOOK_AGAIN_S)
        if answer is not None:
            return answer
