"""What `twin show` says of failures: rates that can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from twin.errors import InputError
from twin.run import load
from twin.show import show

SITE = """
name: s
horizon: 10 days
site:
  pools:
    - {name: big, node: {gpus: 8}, nodes: 10, nodes_per_rack: 5}
    - {name: little, node: {gpus: 4}, nodes: 2}
workload:
  jobs:
    - {name: one, gpus: 1, run: 1 h}
    - {name: wide, gpus: 40, run: 1 h}
    - {name: hopeless, gpus: 4000, run: 1 h}
"""
FAILS = """
failures:
  rate: 2
  classes:
    gpu: {of: gpu, per: 2, life: {exponential: {mean: 730 days}}, repair: 1 h}
    slow:
      of: node
      life: {exponential: {mean: 1000 days}}
      effect: {slow: {speed: 0.9}}
      repair: 1 h
    bug: {of: job, life: {exponential: {mean: 100 days}}}
  maintenance:
    - {name: works, of: rack, first: 1 day, every: 73 days, lasts: 1 h}
  incidents:
    - {at: 1 day, name: mains, of: site, lasts: 1 h, effect: fail-stop}
"""


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "s.yaml"
        path.write_text(text)
        return show(load(path))

    return write


def test_failures_to_expect(shown: Callable[[str], str]) -> None:
    lines = shown(SITE + FAILS).splitlines()
    table = [line.split() for line in lines[lines.index("Failures to expect") + 2 :]]
    # 88 GPUs of two parts each, every one failing twice in 730 days.
    assert table[1] == ["gpu", "gpu", "fail-stop", "176", "365", "d", "176"]
    assert table[2] == ["slow", "node", "slow", "12", "500", "d", "8.8"]
    assert table[3] == ["bug", "each", "running", "job", "fail-stop", "50.0", "d"]
    assert table[4] == ["works", "rack", "planned", "3", "73.0", "d", "15"]
    assert " ".join(table[5]) == "and 1 incident with a date"


def test_how_often_the_largest_job_that_fits_is_stopped(shown: Callable[[str], str]) -> None:
    last = shown(SITE + FAILS).splitlines()[-1]
    # 40 GPUs of two parts each once in 365 days, and the bug once in 50; the slow stop nothing.
    mtti_d = 1 / (80 / 365 + 1 / 50)
    assert last == (
        "The largest job, wide on 40 GPUs of pool big, is expected to be stopped every "
        f"{mtti_d:.1f} d (MTTI), planned work left aside."
    )


def test_what_has_a_date_stops_nothing_by_rate(shown: Callable[[str], str]) -> None:
    text = FAILS[: FAILS.index("  classes")] + FAILS[FAILS.index("  incidents") :]
    last = shown(SITE + text).splitlines()[-1]
    assert last.endswith("is stopped by nothing but what is planned or has a date.")


def test_nothing_of_failures_where_nothing_may_fail(shown: Callable[[str], str]) -> None:
    assert "Failures" not in shown(SITE)


def test_no_job_that_fits(shown: Callable[[str], str]) -> None:
    text = SITE.replace("gpus: 1,", "gpus: 100,").replace("gpus: 40,", "gpus: 200,") + FAILS
    assert shown(text).splitlines()[-1] == "No job of the workload fits."


def test_records_that_cannot_be_read(shown: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "seen.csv").write_text("at_s,name\n1,x\n")
    with pytest.raises(InputError, match="needs one column"):
        shown(SITE + "failures: {records: {path: seen.csv}}\n")
