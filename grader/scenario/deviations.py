"""Lists of known deviations: `deviations/<target>.yaml` beside the suites.

format: 1
target: module-socket
deviations:
  - cases: ["api/errors/sigpipe*"]     # case ids; `*` stands for any text
    reason: what the target does instead
    source: who says so
"""

from __future__ import annotations

from pathlib import Path

from grader.model.deviations import Deviation, Known
from grader.ops import FEATURES
from grader.scenario.atoms import items, known_keys, mapping, text
from grader.scenario.complaints import wrong
from grader.scenario.read import Mapping, Node, read

_FILE_KEYS = ("format", "target", "lacks", "deviations")
_ENTRY_KEYS = ("cases", "reason", "source")


def load_known(suites: Path, target: str) -> Known:
    """Read what is known of a target; a target without a file lacks and deviates in nothing.

    Args:
        suites: The folder of the suites.
        target: The target's name, such as `host` or `module-socket`.

    Raises:
        ScenarioError: the file is wrong; carries every complaint.
    """
    path = suites / "deviations" / f"{target}.yaml"
    if not path.is_file():
        return Known()
    root = mapping(read(path.read_bytes(), str(path)), "the list of a target's deviations")
    known_keys(root, _FILE_KEYS, "a list of deviations")
    named = text(_need(root, "target"))
    if named != target:
        raise wrong(root.items["target"].mark, f"the file is {target}.yaml and says it is about {named}")
    listed = tuple(_deviation(node) for node in items(_need(root, "deviations"), "a list of deviations"))
    return Known(_lacks(root), listed)


def _lacks(root: Mapping) -> dict[str, str]:
    if "lacks" not in root.items:
        return {}
    lacks = mapping(root.items["lacks"], "features with the reason why they are lacking")
    known_keys(lacks, tuple(FEATURES), "the features")
    return {feature: text(reason) for feature, reason in lacks.items.items()}


def _deviation(node: Node) -> Deviation:
    entry = mapping(node, "a deviation")
    known_keys(entry, _ENTRY_KEYS, "a deviation")
    cases = tuple(text(one) for one in items(_need(entry, "cases"), "a list of case ids"))
    return Deviation(cases, text(_need(entry, "reason")), text(_need(entry, "source")), entry.mark)


def _need(node: Mapping, key: str) -> Node:
    if key not in node.items:
        raise wrong(node.mark, f"`{key}` is missing", "a deviation without a reason and a source is an excuse")
    return node.items[key]
