"""Results as JUnit XML, the form that CI reads.

Written with junit-xml and finished with ElementTree, because junit-xml 1.9 knows no properties of a
case, and its pretty printing turns the newlines of a message into spaces when the file is read back.
One suite to a file, a class name per section, the student's text both as message and as body.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # reads only what junit-xml has just written
from collections.abc import Sequence

from junit_xml import TestCase, TestSuite, to_xml_report_string

from grader.model.verdicts import Result, Verdict
from grader.report.to_text import explanation

_LONGEST = 20_000  # characters of one message that readers keep (Artemis)
# What XML 1.0 cannot hold or advises against, and junit-xml drops without a word; and the carriage return, which
# readers turn into a line feed. Source: XML 1.0 sections 2.2 and 2.11.
_PLANE_ENDS = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
_UNSPEAKABLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufddf\ufffe\uffff{_PLANE_ENDS}]")


def to_junit(results: Sequence[Result], name: str) -> str:
    """Give the XML text of a run; `name` is the name of its one suite."""
    suite = TestSuite(_clean(name), [_case(result) for result in results])
    root = ET.fromstring(to_xml_report_string([suite], prettyprint=False))  # noqa: S314 - our own text
    for element, result in zip(root.iter("testcase"), results, strict=True):
        _add_properties(element, result)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(result: Result) -> TestCase:
    classname = result.case.split("[")[0].rpartition("/")[0].replace("/", ".")
    case = TestCase(_clean(result.case), classname, elapsed_sec=round(result.seconds, 6), stdout=_clean(result.stdout))
    text = _clean(explanation(result))[:_LONGEST]
    match result.verdict:
        case Verdict.FAIL:
            case.add_failure_info(text, text, str(result.cause))
        case Verdict.UNRESOLVED:
            case.add_error_info(text, text, str(result.cause))
        case Verdict.UNSUPPORTED | Verdict.UNTESTED:
            case.add_skipped_info(_clean(result.reason)[:_LONGEST])
        case Verdict.PASS:
            pass
    return case


def _add_properties(element: ET.Element, result: Result) -> None:
    properties = ET.Element("properties")
    facts = {
        "verdict": result.verdict,
        "cause": result.cause or "",
        "points": f"{result.points:g}",
        "level": result.level,
        "section": result.section,
        "claims": " ".join(result.claims),
        "spec": "; ".join(result.spec),
        "target": result.target,
    }
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=_clean(str(value)))
    element.insert(0, properties)


def _clean(text: str) -> str:
    r"""Write what XML cannot hold as \xNN, so that nothing a student printed is lost or breaks the file."""
    return _UNSPEAKABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
