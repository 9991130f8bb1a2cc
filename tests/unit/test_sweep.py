"""Sweeps: the grid, the files that ask for one, and points that crash."""

from textwrap import dedent

import pandas as pd
import pytest

from twin.errors import InputError, ScenarioError
from twin.scenario.sweep import load_sweep
from twin.sweep import grid, sweep


@pytest.fixture
def sweep_file(small, tmp_path):
    """Writes a sweep file over the small scenario; gives its path."""
    small()

    def write(text):
        path = tmp_path / "grid.yaml"
        path.write_text("scenario: small.yaml\n" + dedent(text))
        return path

    return write


def test_the_grid_is_the_product_of_axes_and_seeds_in_order(sweep_file):
    asked = load_sweep(
        sweep_file(
            """\
            seeds: [7, 3]
            axes:
              - variants:
                  few: {"site.pools[main].nodes": 6}
                  many: {"site.pools[main].nodes": 12, policies.placement: best-fit}
              - zip:
                  policies.scheduler: [fifo, easy-backfill]
                  description: [a, b]
            """
        )
    )
    points = list(grid(asked))
    assert asked.axis_names() == ("variant", "policies.scheduler", "description")
    assert [(p.values["variant"], p.values["description"], p.seed) for p in points] == [
        (variant, text, seed) for variant in ("few", "many") for text in "ab" for seed in (7, 3)
    ]
    assert points[0].overrides[:2] == ("site.pools[main].nodes=6", 'policies.scheduler="fifo"')
    assert points[-1].folder == "0008" and points[-1].overrides[-1] == "seed=3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("axes: []", "grid.yaml:2:1 axes: expected a list of axes"),
        ("seeds: 2", "axes: missing; give a list of axes"),
        (
            "axes: [{seed.x: [1]}]\nseedz: 3",
            "grid.yaml:3:1 seedz: unknown key 'seedz'; did you mean 'seeds'",
        ),
        ("axes: [{a: [1], b: [2]}]", "expected one of {path.to.key: [...]}, {zip: {...}}"),
        ("axes: [{zip: {a: [1], b: [1, 2]}}]", "must be equally long: a has 1, b has 2"),
        ("axes: [{a: 5}]", "expected a list of values for a, found 5"),
        ("axes: [{variants: [1]}]", "expected a name for each set of values"),
        ("axes: [{a: [1]}, {a: [2]}]", "'a' is on two axes"),
        ("axes: [{description: [a]}]\nseeds: [1, 1]", "expected a number of seeds"),
        ("axes: [{description: [a]}]\nseeds: -1", "expected a number of seeds"),
        ("axes: [{description: [a]}]\nseeds: 200000", "expected a number of seeds"),
    ],
)
def test_bad_sweep_files_are_refused_with_their_place(sweep_file, text, words):
    with pytest.raises(ScenarioError) as error:
        load_sweep(sweep_file(text))
    assert words in str(error.value)


def test_points_that_are_no_scenarios_are_named_before_anything_runs(sweep_file, tmp_path):
    file = sweep_file("axes: [{'site.pools[main].nodes': [4, 0, many]}]")
    with pytest.raises(InputError) as error:
        sweep(file, tmp_path / "out")
    assert "{'site.pools[main].nodes': 0}" in str(error.value)
    assert "{'site.pools[main].nodes': 'many'}" in str(error.value)
    assert not (tmp_path / "out").exists()


CRASHES = '''
import os, signal
from dataclasses import dataclass
from twin.policies.base import Scheduler
from twin.registry import policy

@policy("crashes-in-tests")
@dataclass(frozen=True, kw_only=True)
class Crashes(Scheduler):
    """Dies in one of three ways."""
    way: str = "raise"

    def choose(self, queue, cluster):
        if self.way == "raise":
            raise RuntimeError("on purpose")
        if self.way == "exit":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
        yield
'''


def test_crashed_points_are_listed_and_fatal_to_nobody_else(sweep_file, tmp_path, plugins):
    plugin = tmp_path / "crashes.py"
    plugin.write_text(CRASHES)
    file = sweep_file(
        """\
        axes:
          - policies.scheduler:
              - fifo
              - crashes-in-tests: {way: raise}
              - crashes-in-tests: {way: exit}
              - crashes-in-tests: {way: kill}
              - easy-backfill
        """
    )
    result = sweep(file, tmp_path / "out", workers=2, plugins=[plugin])
    assert [done.point.number for done in result.failures] == [2, 3, 4]
    assert "RuntimeError: on purpose" in result.failures[0].error
    assert "exit code 3" in result.failures[1].error
    assert "killed by signal 9" in result.failures[2].error
    assert result.points["status"].eq("ok").tolist() == [True, False, False, False, True]
    assert sorted(p.name for p in (tmp_path / "out" / "runs").iterdir()) == ["0001", "0005"]
    page = result.report.read_text()
    assert "on purpose" in page
    assert any(line.startswith("failed: 0002") for line in result.lines())


def test_the_table_is_the_same_for_any_number_of_workers(sweep_file, tmp_path):
    file = sweep_file("seeds: 2\naxes: [{policies.scheduler: [fifo, easy-backfill]}]")
    seen = []
    first = sweep(file, tmp_path / "1", workers=1, advance=lambda *at: seen.append(at))
    second = sweep(file, tmp_path / "2", workers=2)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    pd.testing.assert_frame_equal(first.points, second.points)
    for name in ("points.parquet", "points.csv", "runs/0003/jobs.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    table = pd.read_parquet(tmp_path / "1" / "points.parquet")
    assert len(table) == 4
    assert table.columns[:4].tolist() == ["policies.scheduler", "seed", "status", "run"]
    assert table["wait_s.mean"].tolist() == [7.0, 7.0, 4.5, 4.5]  # the worked example's
    assert (table["gpu_time.useful"] > 0).all()
