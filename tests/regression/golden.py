"""Small runs whose summaries are kept: run this file to write them anew.

    python tests/regression/golden.py

Do so only when a number is meant to move, in a commit of its own that says why it moved and by how
much. The difference of the JSON files is the list of what moved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twin.run import load, run

HERE = Path(__file__).resolve().parent
FIRST = HERE.parents[1] / "scenarios" / "first.yaml"

_SHORT = ("workload.synthetic.duration=4 days", "horizon=5 days")
RUNS: dict[str, tuple[str, ...]] = {
    "first-easy": _SHORT,
    "first-fifo": (*_SHORT, "policies.scheduler=fifo"),
}


def summary(name: str) -> dict[str, Any]:
    """The figures of one run that do not depend on the machine, the version or the wording."""
    found = dict(run(load(FIRST, RUNS[name]), report=False).summary)
    engine = found.pop("engine")
    for words in ("version", "assumptions", "workload"):
        del found[words]
    return found | {"events": engine["events"]}


def kept(name: str) -> dict[str, Any]:
    """What the run gave when it was last written."""
    read: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    return read


def flat(values: dict[Any, Any], above: str = "") -> dict[str, Any]:
    """Nested figures by dotted key; places in lists count from 0."""
    found = {}
    for key, value in values.items():
        below = dict(enumerate(value)) if isinstance(value, list) else value
        nested = isinstance(below, dict)
        found |= flat(below, f"{above}{key}.") if nested else {f"{above}{key}": value}
    return found


if __name__ == "__main__":
    for each in RUNS:
        text = json.dumps(summary(each), indent=2)
        (HERE / f"{each}.json").write_text(f"{text}\n", encoding="utf-8")
