"""The nouns: what little they do by themselves."""

from __future__ import annotations

import pytest

from grader.model.deviations import Deviation, id_matches
from grader.model.errors import Complaint, ScenarioError
from grader.model.expectations import Expectation
from grader.model.marks import Mark
from grader.model.values import InetAddress, Ref, SockRef, UnixAddress
from tests.model.build import case, mark, step


@pytest.mark.parametrize(
    ("noun", "text"),
    [
        (InetAddress("127.0.0.1", 80), "127.0.0.1:80"),
        (InetAddress("::1", 80), "[::1]:80"),
        (UnixAddress("/s"), "unix:/s"),
        (UnixAddress(abstract="x"), "unix:@x"),
        (UnixAddress(), "unnamed"),
        (Ref("srv"), "$srv"),
        (Ref("srv", "port"), "$srv.port"),
        (SockRef("c"), "c"),
        (Mark("a.yaml", 3, 5), "a.yaml:3:5"),
    ],
)
def test_a_noun_is_written_as_people_write_it(noun: object, text: str) -> None:
    """Addresses, references and places have a text of their own."""
    assert str(noun) == text


def test_a_complaint_says_where_what_and_what_to_try() -> None:
    """The hint stands in brackets, the code at the end."""
    complaint = Complaint(mark(3), "unknown call 'recieve'", "did you mean 'recv'?", "syntax")

    assert str(complaint) == "suites/api/t.yaml:3:3: unknown call 'recieve' (did you mean 'recv'?) [syntax]"


def test_complaints_come_in_the_order_of_the_file() -> None:
    """However they were found, they are told by line."""
    error = ScenarioError((Complaint(mark(9), "second"), Complaint(mark(2), "first")))

    assert str(error).splitlines() == [
        "suites/api/t.yaml:2:3: first [schema]",
        "suites/api/t.yaml:9:3: second [schema]",
    ]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("api/t/one[inet]", True),
        ("api/t/*", True),
        ("*[inet]", True),
        ("api/*/one*", True),
        ("api/t/one[i]", False),
        ("api/t/one", False),
        ("api.t.one[inet]", False),
    ],
)
def test_only_the_star_is_special_in_a_pattern(pattern: str, *, matches: bool) -> None:
    """Brackets, dots and letters stand for themselves."""
    assert id_matches(pattern, "api/t/one[inet]") is matches


def test_a_deviation_covers_every_case_of_its_patterns() -> None:
    """One matching pattern is enough."""
    deviation = Deviation(("api/x/*", "api/t/*"), "why", "who", mark())

    assert deviation.covers("api/t/one")
    assert not deviation.covers("api/y/one")


def test_every_step_of_a_case_comes_after_the_one_that_holds_it() -> None:
    """Nested steps, inner calls and triggers are all steps."""
    held = step(
        "0", "race", inner=(step("0.0", "recv"),), trigger=(step("0.1", "send", nested=(step("0.1.0", "close"),)),)
    )

    assert [one.path for one in case(held, step("1", "close")).every_step] == ["0", "0.0", "0.1", "0.1.0", "1"]


@pytest.mark.parametrize(
    ("fields", "concurrent"),
    [
        ({}, False),
        ({"nested": (step("0.0", "send"),)}, True),
        ({"start": "r"}, True),
        ({"expect": Expectation(blocks=True)}, True),
        ({"eventually_s": 1.0}, False),
    ],
)
def test_a_step_is_concurrent_if_others_may_run_beside_it(fields: dict[str, object], *, concurrent: bool) -> None:
    """Nested steps, a start and `blocks` leave the call pending while others run."""
    assert step("0", "recv", **fields).concurrent is concurrent


def test_the_section_of_a_scenario_is_the_last_part_of_its_suite() -> None:
    """Reports group by it."""
    assert case().scenario.section == "t"
