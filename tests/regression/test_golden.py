"""No figure of a small run moves unless it is meant to; `golden.py` says how to let it."""

import pytest
from golden import RUNS, flat, kept, summary


@pytest.mark.parametrize("name", RUNS)
def test_no_figure_has_moved(name):
    """Field by field; sums may differ by rounding from one processor to another."""
    found, wanted = flat(summary(name)), flat(kept(name))
    assert list(found) == list(wanted), "figures came or went: see tests/regression/golden.py"
    for key, value in wanted.items():
        same = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        assert found[key] == same, f"{key} moved: see tests/regression/golden.py"


def test_the_golden_runs_have_something_to_say():
    """A queue in which the schedulers differ, with jobs cut off by the horizon."""
    easy, fifo = (kept(name) for name in ("first-easy", "first-fifo"))
    assert easy["jobs"]["submitted"] == fifo["jobs"]["submitted"] > 300
    assert fifo["wait_s"]["mean"] > easy["wait_s"]["mean"] > 0
    assert fifo["jobs"]["running"] + fifo["jobs"]["queued"] > 0
    assert min(fifo["ledgers"]["gpu_time"]["shares"][s] for s in ("idle", "stranded", "useful")) > 0
