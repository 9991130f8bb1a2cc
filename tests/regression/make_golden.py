"""Write the golden summary anew: ``python tests/regression/make_golden.py``.

Do so in a commit of its own that says why the numbers moved.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
GOLDEN = Path(__file__).parent / "week.json"
WEEK = [
    "name=week",
    "horizon=7 days",
    "workload.synthetic.duration=8 days",
    "site.pools[h100].nodes=8",
    "workload.estimates={exact_times: {lognormal: {median: 1.2, sigma: 0.5}}}",
]


def summary() -> dict[str, object]:
    """The summary of a week of scenarios/first.yaml on 8 nodes, without what varies by machine."""
    from twin import load, run

    found = run(load(ROOT / "scenarios" / "first.yaml", WEEK), report=False).summary
    return {key: value for key, value in found.items() if key not in ("engine", "version")}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(summary(), indent=2) + "\n", encoding="utf-8")
    print(f"wrote {GOLDEN.relative_to(ROOT)}; read the diff before you commit it")  # noqa: T201
