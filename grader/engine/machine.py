"""The rules by which a case runs: events in, commands out, no I/O and no clock of its own.

`Machine.run` is a generator. It yields a command, is sent the reply, and appends what was seen to
`events`. Every rule about waiting is here and one-sided: *still pending* and *done before a generous
deadline*, never a window. A deadline that passes while the testee is still running is not believed:
it is moved, and in the end it is our fault and not the student's.

A step that waits is a *flight*: it has been issued and has not landed. The answer to any flight may
come while the machine waits for another, so every reply goes through `_land`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grader.bindings import Names
from grader.engine.commands import AskSettled, Await, AwaitBlocked, Clock, Decide, LookAt, Script
from grader.engine.composites import COMPOSITES
from grader.engine.flights import Flight, landed
from grader.engine.replies import READINESS, by_name, look_of, outcome_of
from grader.model.errors import InternalError
from grader.model.histories import Done, Event, Issued, Returned, SeenBlocked
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Succeeded
from grader.model.scenarios import ActorKind, Case, Step
from grader.model.values import Plain
from grader.model.verdicts import Decision
from grader.ops import OPERATIONS, Group
from grader.targets.protocol import EXTENSIONS, LOOPING_CPU_S, Answer, Call, Look

# How long a call must stay pending where its state cannot be seen, or where its wait ends by itself
# (code that naps and looks again): long enough to catch most code that gives up, harmless to correct code.
_SETTLE_S = 0.05
_UNSEEN_S = 1.0
# How often a call that nothing can wake any more is looked at before its deadline.
_GLANCE_S = 0.05
_SUT = ActorKind.SUT  # an enum's members are slow to get at, and every call asks
_MATCHED = Decision.MATCHED
_ASSERTIONS = frozenset(op.name for op in OPERATIONS.values() if op.group is Group.ASSERTION)
# Options with which a call ends by itself.
_TIME_LIMITS = frozenset({"SO_RCVTIMEO", "SO_SNDTIMEO", "SO_LINGER"})
# Between two tries of an `eventually`.
_BREATH_S = 0.001


class Machine:
    """One case in progress."""

    def __init__(self, case: Case, names: Names, decide: Decide, clock: Clock, time_scale: float = 1.0) -> None:
        """Prepare a run; `clock` gives nanoseconds, `time_scale` stretches every deadline."""
        self.events: list[Event] = []
        self._case = case
        self._actors = case.actors
        self._names = names
        self._decide = decide
        self._clock = clock
        self._scale = time_scale
        self._next_call = 0
        self._flights: dict[int, Flight] = {}
        self._abandoned: set[int] = set()
        self._started: dict[str, Flight] = {}
        self._gone: Outcome | None = None

    def run(self) -> Script[bool]:
        """Run the steps in order until one ends in another way than it had to."""
        return self._steps(self._case.steps)

    def _steps(self, steps: tuple[Step, ...]) -> Script[bool]:
        for step in steps:
            op = step.op
            if op in _RULES:
                fits = yield from _RULES[op](self, step)
            elif op in _ASSERTIONS:
                fits = self._done(step, Succeeded({"values": self._names.resolve(step.args["values"])}))
            elif step.concurrent:
                fits = yield from self._concurrent(step)
            elif step.eventually_s is not None:
                fits = yield from self._eventually(step, step.eventually_s)
            elif op in COMPOSITES or self._gone is not None:
                fits = self._done(step, (yield from self._complete(step)))
            else:
                # Nearly every step is one call that ends at once, and only if it does not it becomes a flight.
                call = self._call(step, op, self._names.arguments(step.args))
                outcome = outcome_of((yield call))
                if outcome is None:
                    flight = self._flights[call.id] = Flight(step, None, op, call.args, call.id)
                    outcome = yield from self._await(flight, step.within_s)
                else:
                    outcome = self._returned(step, call.id, outcome)
                fits = self._done(step, outcome)
            if not fits:
                return False
        return True

    # -- one call after another ---------------------------------------------------------------------

    def _complete(self, step: Step) -> Script[Outcome]:
        """Make the step's call and wait for its end."""
        flight = self._flight(step)
        yield from self._issue(flight)
        return flight.outcome or (yield from self._await(flight, step.within_s))

    def _eventually(self, step: Step, limit_s: float) -> Script[bool]:
        until = self._after(limit_s)
        tries = 0
        while True:
            outcome = yield from self._complete(step)
            tries += 1
            if self._decide(step, outcome, self._names) is not Decision.DIFFERENT or self._clock() >= until:
                return self._done(step, outcome, tries=tries)
            yield from self._pass_time(_BREATH_S)

    def _done(self, step: Step, outcome: Outcome, *, early: int | None = None, tries: int = 1) -> bool:
        self.events.append(Done(step.path, outcome, early, tries))
        if step.binds and isinstance(outcome, Succeeded):
            self._names.bind(step, outcome)
        return early is None and self._decide(step, outcome, self._names) is _MATCHED

    # -- flights ------------------------------------------------------------------------------------

    def _flight(self, step: Step) -> Flight:
        args = self._names.arguments(step.args)
        maker = COMPOSITES.get(step.op)
        if maker is None:
            return Flight(step, None, step.op, args)
        composite = maker(args)
        return Flight(step, composite, *next(composite))

    def _issue(self, flight: Flight) -> Script[None]:
        """Issue the call of a flight, and the next ones as long as each ends at once."""
        while True:
            call = self._call(flight.step, flight.op, flight.args)
            flight.call = call.id
            outcome = self._gone or outcome_of((yield call))
            if outcome is None:
                self._flights[call.id] = flight
                return
            if not self._goes_on(flight, outcome):
                return

    def _call(self, step: Step, op: str, args: Mapping[str, Plain]) -> Call:
        """Write down that a call begins, and give it."""
        number = self._next_call
        self._next_call = number + 1
        actor = step.actor
        self.events.append(Issued(step.path, number, actor, op, args, self._clock()))
        within_s = step.within_s + _own_limit_s(step) if "timeout" in args else step.within_s
        kind = self._actors.get(actor, _SUT)
        return Call(number, actor, op, args, kind, step.concurrent, within_s * self._scale)

    def _returned(self, step: Step, call: int, outcome: Outcome) -> Outcome:
        """Write down how a call ended, and give that in the words of the scenario."""
        if step.op in READINESS and isinstance(outcome, Succeeded):
            outcome = by_name(step, outcome, self._names)
        self.events.append(Returned(call, outcome, self._clock()))
        return outcome

    def _goes_on(self, flight: Flight, outcome: Outcome) -> bool:
        """Take the end of a flight's current call; say whether another call of it follows."""
        outcome = self._returned(flight.step, flight.call, outcome)
        if flight.composite is None:
            flight.outcome = outcome
            return False
        try:
            flight.op, flight.args = flight.composite.send(outcome)
        except StopIteration as end:
            flight.outcome = end.value
            return False
        return True

    def _land(self, answer: Answer) -> Script[None]:
        if answer.call is None:
            self._gone = answer.outcome
            for flight in list(self._flights.values()):
                self._goes_on(flight, Ended("lost"))
                flight.outcome = Ended("lost")
            self._flights.clear()
            return
        if answer.call in self._abandoned:
            return  # its deadline has passed; what was seen then stands
        if answer.call not in self._flights:
            raise InternalError(f"an answer came for call {answer.call}, which nobody waits for")
        flight = self._flights.pop(answer.call)
        if self._goes_on(flight, answer.outcome):
            yield from self._issue(flight)

    def _await(self, flight: Flight, within_s: float) -> Script[Outcome]:
        """Wait until the flight lands, or until its state says that it will not."""
        within_s += _own_limit_s(flight.step)
        until = self._after(within_s)
        has_timers = any(step.args.get("name") in _TIME_LIMITS for step in self._case.every_step)
        moved, last_seen = 0, ""
        given_up: Outcome | None
        while flight.outcome is None:
            reply = yield Await(until if has_timers else min(until, self._after(_GLANCE_S)))
            if isinstance(reply, Answer):
                yield from self._land(reply)
                continue
            if self._clock() < until:
                given_up, last_seen = yield from self._glance(flight, last_seen)
            else:
                given_up = self._give_up(look_of((yield LookAt(flight.call))), within_s, moved)
                moved += 1
                until = self._after(within_s)
            if given_up is not None:
                self._abandon(flight, given_up)
        return flight.outcome

    def _abandon(self, flight: Flight, outcome: Outcome) -> None:
        """Stop waiting for a flight; its call is left where it is until the session ends."""
        del self._flights[flight.call]
        self._abandoned.add(flight.call)
        flight.outcome = outcome
        self.events.append(Returned(flight.call, outcome, self._clock()))

    def _glance(self, flight: Flight, last_seen: str) -> Script[tuple[Outcome | None, str]]:
        """See before the deadline whether the call can still end; give that, and what was seen."""
        look = look_of((yield LookAt(flight.call)))
        if look.state == "busy" and look.cpu_s >= LOOPING_CPU_S * self._scale:
            return Pending("looping", look.evidence), ""
        # Everybody asleep without a time limit, twice the same, and nothing under way: it stays so.
        asleep = yield from self._all_asleep()
        is_stuck = asleep != "" and asleep == last_seen and (yield AskSettled()) is True
        return (Pending("blocked", asleep) if is_stuck else None), asleep

    def _all_asleep(self) -> Script[str]:
        """Give the evidence that every pending call sleeps and no clock will wake it, or an empty text."""
        seen: list[str] = []
        for call in list(self._flights):
            look = look_of((yield LookAt(call)))
            if look.state != "blocked" or look.timed:
                return ""
            seen.append(look.evidence)
        return "; ".join(seen)

    def _give_up(self, look: Look, within_s: float, moved: int) -> Outcome | None:
        """Say what a passed deadline means, or None to wait on."""
        if look.state in {"blocked", "unknown"}:
            return Pending(look.state, look.evidence)
        if look.state == "busy" and look.cpu_s >= LOOPING_CPU_S * self._scale:
            return Pending("looping", look.evidence)
        if moved < EXTENSIONS:
            return None
        waited_s = within_s * self._scale * (EXTENSIONS + 1)
        return Broken(f"the call got too little CPU time to end within {waited_s:g} s: {look.evidence}", "host")

    # -- several calls at once ----------------------------------------------------------------------

    def _concurrent(self, step: Step) -> Script[bool]:
        flight = self._flight(step)
        yield from self._issue(flight)
        if step.start is not None:
            self._started[step.start] = flight
            return True
        if step.expect.blocks:
            return (yield from self._seen_blocked_and_left(step, flight))
        if step.release:
            early = yield from self._until_release(step, flight)
            if early is not None:
                return early >= 0 and self._done(step, landed(flight), early=early)
        elif not (yield from self._steps(step.nested)):
            return False
        return self._done(step, (yield from self._await(flight, step.within_s)))

    def _until_release(self, step: Step, flight: Flight) -> Script[int | None]:
        """Run the nested steps of `blocks_until`; only the last one may let the call return.

        Gives None if all ran, the number of nested steps that had run if the call came back too early,
        or -1 if a nested step went wrong.
        """
        for ran, nested in enumerate(step.nested):
            if not (yield from self._see_blocked(flight, ran, (step.hold_s or 0.0) if ran == 0 else 0.0)):
                return ran
            if not (yield from self._steps((nested,))):
                return -1
        return None

    def _seen_blocked_and_left(self, step: Step, flight: Flight) -> Script[bool]:
        if (yield from self._see_blocked(flight, 0, step.hold_s or 0.0)):
            return self._done(step, Pending("blocked", self._last_evidence()))
        return self._done(step, landed(flight), early=0)

    def _see_blocked(self, flight: Flight, after: int, hold_s: float) -> Script[bool]:
        """Wait until the flight is seen blocked and has stayed so for `hold_s`; false if it lands."""
        until = self._after(flight.step.within_s)
        while flight.outcome is None:
            reply = yield AwaitBlocked(flight.call, until)
            if isinstance(reply, Answer):
                yield from self._land(reply)
                continue
            look = look_of(reply)
            settle = _SETTLE_S if look.timed else 0.0 if look.state == "blocked" else _UNSEEN_S
            yield from self._pass_time(max(settle, hold_s))
            if flight.outcome is None:
                evidence = f"{look.state}: {look.evidence}" if look.evidence else look.state
                if hold_s:
                    evidence += f"; still pending after {hold_s:g} s"
                self.events.append(SeenBlocked(flight.step.path, flight.call, after, evidence, self._clock()))
                return True
        return False

    def _last_evidence(self) -> str:
        last = self.events[-1]
        return last.evidence if isinstance(last, SeenBlocked) else ""

    def _pass_time(self, for_s: float) -> Script[None]:
        """Let time pass, landing what lands meanwhile."""
        if not for_s:
            return
        until = self._after(for_s)
        while (reply := (yield Await(until))) is not None:
            if isinstance(reply, Answer):
                yield from self._land(reply)

    def _after(self, seconds: float) -> int:
        return self._clock() + int(seconds * self._scale * 1e9)

    # -- operations with a rule of their own ----------------------------------------------------------

    def _finish(self, step: Step) -> Script[bool]:
        flight = self._started[str(step.args["call"])]
        outcome = yield from self._await(flight, step.within_s)
        if isinstance(outcome, Succeeded):
            self._names.bind(flight.step, outcome)
        return self._done(step, outcome)

    def _still_blocked(self, step: Step) -> Script[bool]:
        flight = self._started[str(step.args["call"])]
        if (yield from self._see_blocked(flight, 0, step.hold_s or 0.0)):
            return self._done(step, Pending("blocked", self._last_evidence()))
        return self._done(step, landed(flight), early=0)

    def _race(self, step: Step) -> Script[bool]:
        flights: list[Flight] = []
        for inner in step.inner:
            flights.append(self._flight(inner))
            yield from self._issue(flights[-1])
        for flight in flights:
            if not (yield from self._see_blocked(flight, 0, 0.0)):
                return self._done(flight.step, landed(flight), early=0)
        if not (yield from self._steps(step.trigger)):
            return False
        wanted = len(flights) if step.expect.returned is None else step.expect.returned
        until = self._after(step.within_s)
        while sum(flight.outcome is not None for flight in flights) < wanted:
            reply = yield Await(until)
            if not isinstance(reply, Answer):
                break
            yield from self._land(reply)
        for flight in flights:
            if flight.outcome is None:
                yield from self._see_blocked(flight, 1, 0.0)
        return self._race_done(step, flights)

    def _race_done(self, step: Step, flights: list[Flight]) -> bool:
        returned = [event.call for event in self.events if isinstance(event, Returned)]
        ended = [flight for flight in flights if flight.outcome is not None]
        ended.sort(key=lambda flight: returned.index(flight.call))
        fits = True
        for flight in ended:
            outcome = landed(flight)
            if flight is ended[0] and isinstance(outcome, Succeeded):
                self._names.bind_winner(flight.step, outcome)
            fits = self._done(flight.step, outcome) and fits
        counts = {"returned": len(ended), "pending": len(flights) - len(ended)}
        return self._done(step, Succeeded(counts)) and fits

    def _collect(self, step: Step) -> Script[bool]:
        for inner in step.inner:
            outcome = yield from self._complete(inner)
            self.events.append(Done(inner.path, outcome))
            if not isinstance(outcome, (Succeeded, Failed)):
                self.events.append(Done(step.path, Succeeded({"count": len(step.inner)})))
                return False  # nothing can be called after it
        return self._done(step, Succeeded({"count": len(step.inner)}))

    def _pause(self, step: Step) -> Script[bool]:
        seconds = step.args["for"]
        if isinstance(seconds, (int, float)):
            yield from self._pass_time(float(seconds))
        return self._done(step, Succeeded())


_RULES: dict[str, Callable[[Machine, Step], Script[bool]]] = {
    "finish": Machine._finish,  # noqa: SLF001 - the table is part of the class's own module
    "still_blocked": Machine._still_blocked,  # noqa: SLF001 - as above
    "race": Machine._race,  # noqa: SLF001 - as above
    "collect": Machine._collect,  # noqa: SLF001 - as above
    "pause": Machine._pause,  # noqa: SLF001 - as above
}


def _own_limit_s(step: Step) -> float:
    """Give the time limit that a call brings with it: it has that time beside its deadline."""
    limit_ms = step.args.get("timeout")
    return limit_ms / 1000 if isinstance(limit_ms, int) else 0.0
