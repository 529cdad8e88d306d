"""The target `program`: real programs, built and run behind the wall, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import pipeline
from grader.model.assignments import Assignment, Exchange, Limits, Place, Program
from grader.model.marks import Mark
from grader.model.verdicts import Cause, Result, Verdict
from grader.scenario import load
from grader.targets.program import open_program
from grader.targets.protocol import Target
from tests.shell import same_network

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "reference" / "programs" / "tcp-server" / "poll.c"
START = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n#include <arpa/inet.h>\n"
LISTEN = """
static int listening(int family, int type, int port)
{
    int sock = socket(family, type, 0), yes = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (port && bind(sock, (struct sockaddr *)&addr, sizeof addr) < 0)
        perror("bind");
    if (type == SOCK_STREAM)
        listen(sock, 5);
    return sock;
}
"""
SERVE = START + LISTEN
TALK = """
- spawn: {program: server, as: server}
- ready: {proc: server}
- socket: {as: c}
- connect: {sock: c, addr: $srv}
"""


ECHO, ANYWHERE = Exchange(), Place()


def assignment(exchange: Exchange = ECHO, place: Place = ANYWHERE, **program: object) -> Assignment:
    """Give an assignment for a server."""
    limits = program.pop("limits", Limits())
    run = program.pop("run", {"server": ("./server", "{port}")})
    asked = Program(run, **program)  # type: ignore[arg-type]  # what a test says
    return Assignment("x", "x", Mark("a", 1, 1), program=asked, exchange=exchange, place=place, limits=limits)  # type: ignore[arg-type]  # as above


class Bench:
    """Runs steps against programs."""

    def __init__(self, folder: Path) -> None:
        """Write into this folder."""
        self.folder = folder
        self.targets: list[Target] = []

    def submission(self, main: str, name: str = "server.c", start: str = SERVE) -> Path:
        """Write what a student hands in."""
        folder = self.folder / "submission"
        folder.mkdir(exist_ok=True)
        text = f"{start}int main(int argc, char **argv)\n{{\n    (void)argc; (void)argv;\n{main}\n}}\n"
        (folder / name).write_text(text if name.endswith(".c") else main, encoding="utf-8")
        return folder

    def judge(self, submission: Path, steps: str, given: Assignment | None = None, domain: str = "inet") -> Result:
        """Judge one scenario of these steps."""
        given = given or assignment()
        path = self.folder / "x.yaml"
        indented = "".join(f"      {line}\n" for line in steps.strip().splitlines())
        head = "format: 1\nsuite: programs/x\nscenarios:\n  - id: a\n    title: one fact\n"
        path.write_text(f"{head}    vars: {{domain: {domain}, type: stream}}\n    steps:\n{indented}", encoding="utf-8")
        loaded = load([path], root=self.folder, assignment=given)
        assert not loaded.errors, loaded.errors
        self.targets.append(open_program(given, submission))
        result, _ = pipeline.run_case(loaded.cases[0], self.targets[-1])
        return result


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a bench, and see that nothing of it is left."""
    found = Bench(tmp_path)
    with same_network():
        yield found
        for target in found.targets:
            target.close()


def got(result: Result) -> str:
    """Give what the first finding of a failure says that it saw."""
    assert result.verdict is Verdict.FAIL, result
    return result.findings[0].got


def test_a_right_program_passes(bench: Bench) -> None:
    """It is compiled, started, found ready, spoken to and ended."""
    result = bench.judge(MODEL, TALK + "- exchange: {sock: c, data: hello}")

    assert (result.verdict, result.findings) == (Verdict.PASS, ())


def test_what_does_not_compile_fails_with_the_words_of_the_compiler(bench: Bench) -> None:
    """The cause is the build, and the first error stands in the finding."""
    result = bench.judge(bench.submission("    return undeclared;"), TALK)

    assert result.cause is Cause.BUILD
    assert "server.c:" in got(result)
    assert "undeclared" in got(result)


def test_a_folder_without_a_program_fails_as_not_built(bench: Bench) -> None:
    """There is nothing to compile, and that is the student's to mend."""
    folder = bench.submission("", name="notes.txt")

    result = bench.judge(folder, TALK)

    assert (result.cause, "there are no C sources" in got(result)) == (Cause.BUILD, True)


def test_a_makefile_is_believed(bench: Bench) -> None:
    """Whoever hands in a Makefile is built by it."""
    folder = bench.submission("    return 7;", name="other.c")
    (folder / "Makefile").write_text("server: other.c\n\tgcc -o server other.c\n", encoding="utf-8")

    result = bench.judge(
        folder, "- spawn: {program: server, as: server}\n- wait_exit: {proc: server}\n  expect: {code: 7}"
    )

    assert result.verdict is Verdict.PASS, result


def test_a_single_python_file_is_started_as_the_program(bench: Bench) -> None:
    """The same assignment takes programs in C and in Python."""
    folder = bench.submission("import sys\nprint(sys.argv[1:])\nsys.exit(3)\n", name="anything.py")
    steps = "- spawn: {program: server, as: server}\n- wait_exit: {proc: server}\n  expect: {code: 3}\n"

    result = bench.judge(folder, steps + "- stdout: {proc: server}\n  expect: {text: \"['20000']\\n\"}")

    assert result.verdict is Verdict.PASS, result


BOUND_ONLY = """
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a);
    pause();
"""
NOT_READY = {
    "exits": (
        '    fprintf(stderr, "no luck\\n"); return 3;',
        "it ended with status 3 before it was ready; it printed: no luck",
    ),
    "crashes": ("    abort();", "it ended by SIGABRT before it was ready"),
    "never-listens": ("    pause();", "it has no socket with a name; server (process"),
    "bound-only": (BOUND_ONLY, "it has bound port 20000, and never listens"),
    "other-port": (
        "    listening(AF_INET, SOCK_STREAM, 8888); pause();",
        "it listens on port 8888, and 20000 is asked for",
    ),
    "swapped": ("    listening(AF_INET, SOCK_STREAM, htons(atoi(argv[1]))); pause();", "htons() is missing"),
    "udp": (
        "    listening(AF_INET, SOCK_DGRAM, atoi(argv[1])); pause();",
        "it has a UDP socket on port 20000, not a TCP one",
    ),
    "unnamed": ("    listening(AF_INET, SOCK_STREAM, 0); pause();", "which the kernel chose: bind() was not called"),
}


@pytest.mark.parametrize("name", NOT_READY)
def test_a_program_that_is_not_ready_is_told_what_it_did_instead(name: str, bench: Bench) -> None:
    """It is seen from outside, at once, and the finding says what is there."""
    main, words = NOT_READY[name]

    result = bench.judge(bench.submission(main), TALK)

    assert result.cause is Cause.NOT_READY
    assert words in got(result)
    assert result.seconds < 1.5


def test_a_program_that_never_answers_is_seen_waiting(bench: Bench) -> None:
    """The verdict comes from its state, long before any deadline, and says which call waits for what."""
    main = "    int l = listening(AF_INET, SOCK_STREAM, atoi(argv[1])), s = accept(l, NULL, NULL);\n    char b;\n"
    folder = bench.submission(main + "    while (recv(s, &b, 1, 0) > 0) ;\n    return 0;")

    result = bench.judge(folder, TALK + "- exchange: {sock: c, data: hello}")

    assert result.cause is Cause.TIMEOUT
    assert "waits in recvfrom on descriptor 4 (TCP, port 20000, connected to port" in got(result)
    assert result.seconds < 1.5


def test_a_wait_with_a_time_limit_of_its_own_is_waited_for(bench: Bench) -> None:
    """SO_RCVTIMEO ends a recv by itself, so nobody may say that it waits for ever."""
    main = "    int l = listening(AF_INET, SOCK_STREAM, atoi(argv[1])), s = accept(l, NULL, NULL);\n    char b[9];\n"
    limit = "    struct timeval t = {0, 300000}; setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);\n"
    answer = '    recv(s, b, 9, 0); recv(s, b, 9, 0); send(s, "late", 4, 0); pause();'
    folder = bench.submission(main + limit + answer, start=SERVE + "#include <sys/time.h>\n")

    result = bench.judge(
        folder, TALK + "- send_all: {sock: c, data: x}\n- recv_exactly: {sock: c, count: 4}\n  expect: {data: late}"
    )

    assert result.verdict is Verdict.PASS, result


def test_a_program_that_computes_for_ever_is_seen_to(bench: Bench) -> None:
    """Half a second of CPU time without an answer is a loop, on a slow machine as on a fast one."""
    folder = bench.submission("    listening(AF_INET, SOCK_STREAM, atoi(argv[1])); for (;;) ;")

    result = bench.judge(folder, TALK + "- settled: {proc: server}")

    assert result.cause is Cause.TIMEOUT
    assert "server is running and has used 0." in got(result)


def test_a_program_that_crashes_is_told_apart_from_one_that_closes(bench: Bench) -> None:
    """Our call sees the end of the stream; the finding says that the program had crashed."""
    main = "    int l = listening(AF_INET, SOCK_STREAM, atoi(argv[1])), s = accept(l, NULL, NULL);\n    char b[9];\n"
    folder = bench.submission(main + "    recv(s, b, 9, 0); abort();")

    result = bench.judge(folder, TALK + "- exchange: {sock: c, data: hello}")

    assert result.cause is Cause.CRASH
    assert got(result).endswith("server ended by SIGABRT")


def test_what_it_printed_comes_with_the_result(bench: Bench) -> None:
    """Lines on standard output come through though the program is killed, because it prints on a terminal."""
    folder = bench.submission('    printf("hello\\n"); fprintf(stderr, "oops\\n"); pause();')

    result = bench.judge(
        folder, "- spawn: {program: server, as: server}\n- settled: {proc: server}\n- ready: {proc: server}"
    )

    assert result.stdout == "hello\noops"


def test_its_input_stays_open_until_it_is_ended(bench: Bench) -> None:
    """A program that reads its input waits for more, and sees the end when a step says so."""
    folder = bench.submission("    int c; while ((c = getchar()) != EOF) putchar(c + 1);\n    return 5;")
    steps = """
- spawn: {program: server, as: server}
- stdin: {proc: server, data: HAL}
- settled: {proc: server}
- stdin: {proc: server, eof: true}
- wait_exit: {proc: server}
  expect: {code: 5, signal: none}
- stdout: {proc: server}
  expect: {text: IBM}
"""

    assert bench.judge(folder, steps).verdict is Verdict.PASS


def test_what_it_holds_is_counted(bench: Bench) -> None:
    """Descriptors, sockets, processes and zombies are counted over the whole program."""
    main = "    listening(AF_INET, SOCK_STREAM, atoi(argv[1]));\n    if (fork() == 0) _exit(0);\n"
    folder = bench.submission(main + "    if (fork() == 0) pause();\n    pause();")
    steps = """
- spawn: {program: server, as: server}
- ready: {proc: server}
- settled: {proc: server}
- resources: {proc: server}
  expect: {descriptors: 8, sockets: 2, listening: 1, processes: 2, zombies: 1, threads: 2}
"""

    result = bench.judge(folder, steps)

    assert result.verdict is Verdict.PASS, result


def test_a_signal_ends_it_and_is_told(bench: Bench) -> None:
    """The signal that ends a program is what `wait_exit` gives, and no code."""
    folder = bench.submission("    pause();")
    steps = (
        "- spawn: {program: server, as: server}\n- settled: {proc: server}\n- kill: {proc: server, signal: SIGTERM}\n"
    )

    result = bench.judge(folder, steps + "- wait_exit: {proc: server}\n  expect: {signal: SIGTERM}")

    assert result.verdict is Verdict.PASS, result


def test_a_program_that_does_not_end_is_seen_waiting(bench: Bench) -> None:
    """Waiting for the end of a program that sleeps for good ends at once."""
    result = bench.judge(bench.submission("    pause();"), "- spawn: {program: server, as: s}\n- wait_exit: {proc: s}")

    assert "server (process" in got(result)
    assert result.seconds < 1.5


def test_a_scenario_takes_no_longer_than_the_assignment_lets_it(bench: Bench) -> None:
    """The next call after the time is over is not made; what the program does is told."""
    folder = bench.submission("    listening(AF_INET, SOCK_STREAM, atoi(argv[1])); sleep(1); pause();")
    steps = "- spawn: {program: server, as: s}\n- ready: {proc: s}\n- pause: {for: 300ms, because: time shall pass}\n"

    result = bench.judge(folder, steps + "- settled: {proc: s}", assignment(limits=Limits(scenario_s=0.2)))

    assert result.cause is Cause.TIMEOUT
    assert "the assignment lets a scenario take 0.2 s; server (process" in got(result)


def test_a_fixed_port_and_files_are_there(bench: Bench) -> None:
    """An assignment may say which port it is, and which files lie in the folder."""
    main = '    char b[9] = ""; FILE *f = fopen("conf.txt", "r"); fgets(b, 9, f);\n'
    folder = bench.submission(main + "    listening(AF_INET, SOCK_STREAM, atoi(b)); pause();")
    given = assignment(place=Place(port=4242), files={"conf.txt": "4242"}, run={"server": ("./server",)})

    assert bench.judge(folder, TALK, given).verdict is Verdict.PASS


def test_a_path_is_the_same_on_both_sides(bench: Bench) -> None:
    """A server of AF_UNIX binds a name in its own folder, and our client connects to it."""
    main = "    struct sockaddr_un a = {.sun_family = AF_UNIX}; int s = socket(AF_UNIX, SOCK_STREAM, 0);\n"
    bound = '    strcpy(a.sun_path, "here"); bind(s, (struct sockaddr *)&a, sizeof a); listen(s, 5); pause();'
    folder = bench.submission(main + bound, start=SERVE + "#include <sys/un.h>\n")
    given = assignment(place=Place("unix", path="here"), run={"server": ("./server",)})

    result = bench.judge(folder, TALK, given, domain="unix")

    assert result.verdict is Verdict.PASS, result


def test_a_program_that_prints_without_end_is_stopped(bench: Bench) -> None:
    """It does not fill our memory, and the reason is told."""
    folder = bench.submission('    for (;;) puts("all work and no play");')
    given = assignment(limits=Limits(output_bytes=10_000))

    result = bench.judge(folder, "- spawn: {program: server, as: server}\n- wait_exit: {proc: server}", given)

    assert result.cause is Cause.OUTPUT


def test_nothing_of_it_is_left(bench: Bench) -> None:
    """Processes that ignore every signal and leave their session end with the case, and its folder goes."""
    main = (
        "    for (int i = 1; i < 32; i++) signal(i, SIG_IGN);\n    if (fork() == 0) { setsid(); for (;;) pause(); }\n"
    )
    place = '    char d[99]; puts(getcwd(d, 99)); printf("%s left", argv[1]); fflush(stdout);\n'
    listen = "    listening(AF_INET, SOCK_STREAM, atoi(argv[1])); for (;;) pause();"
    folder = bench.submission(main + place + listen, start=SERVE + "#include <signal.h>\n")
    given = assignment(run={"server": ("./server", "{port}", f"{bench.folder}")})

    result = bench.judge(folder, TALK, given)

    assert result.verdict is Verdict.PASS, result
    assert not Path(result.stdout.splitlines()[0]).exists()
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if bytes(bench.folder) in _command(path)]


def _command(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
