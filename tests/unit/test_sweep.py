"""Sweeps: which points, in which order; points that die; files at fault; the table."""

import json
from pathlib import Path

import pandas as pd
import pytest

from twin.errors import InputError, ScenarioError
from twin.results.store import Results
from twin.scenario.sweep import is_sweep, load_sweep
from twin.sweep import Done, grid, local_processes, plan, run_point, sweep
from twin.tables import GPU_TIME_SHARES, HEADLINES

# Dies in the way that its option says: an exception, an exit, a signal.
DEADLY = """\
import os
import signal
from dataclasses import dataclass
from twin.errors import TwinError
from twin.policies.schedulers.fifo import Fifo
from twin.registry import policy

@policy("deadly")
@dataclass(frozen=True, kw_only=True)
class Deadly(Fifo):
    way: str = "none"

    def choose(self, queue, cluster):
        if self.way == "raise":
            raise ZeroDivisionError("no idea")
        if self.way == "silent":
            raise TwinError
        if self.way == "exit":
            os._exit(3)
        if self.way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().choose(queue, cluster)
"""


@pytest.fixture
def written(small, tmp_path):
    """Writes a sweep over the small scenario, from text that begins at its axes."""
    small()

    def write(axes: str, *, more: str = "", scenario: str = "small.yaml") -> Path:
        path = tmp_path / "sweep.yaml"
        path.write_text(f"scenario: {scenario}\n{more}axes:\n{axes}")
        return path

    return write


def in_this_process(tasks, workers):
    """A backend without processes, for tests of all but the processes."""
    assert workers > 0
    return map(run_point, tasks)


def refusals(path: Path) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_sweep(path)
    return [str(problem).rpartition("/")[2] for problem in caught.value.problems]


# -- the grid

GRID = """\
  - site.pools[main].nodes: [6, 8]
  - zip:
      policies.scheduler: [fifo, easy-backfill]
      output.timeline_bin: [1 s, 2 s]
  - variants:
      whole: {horizon: drained}
      short: {horizon: 5 s, workload.estimates: exact}
"""


def test_the_grid_is_the_product_of_the_axes_the_last_fastest_then_seeds(written):
    asked = load_sweep(written(GRID, more="seeds: [5, 3]\nname: study\n"))
    assert asked.name == "study"
    assert asked.axis_names() == (
        *("site.pools[main].nodes", "policies.scheduler", "output.timeline_bin", "variant"),
    )
    points = list(grid(asked))
    assert len(points) == 2 * 2 * 2 * 2
    assert [p.number for p in points] == list(range(1, 17))
    assert [p.values["site.pools[main].nodes"] for p in points] == [6] * 8 + [8] * 8
    assert [p.values["policies.scheduler"] for p in points[:8]] == ["fifo"] * 4 + [
        "easy-backfill"
    ] * 4
    assert [p.values["variant"] for p in points[:4]] == ["whole", "whole", "short", "short"]
    assert [p.seed for p in points[:4]] == [5, 3, 5, 3]
    assert points[2].overrides == (
        *("site.pools[main].nodes=6", 'policies.scheduler="fifo"', 'output.timeline_bin="1 s"'),
        *('horizon="5 s"', 'workload.estimates="exact"', "name='0003'", "seed=5"),
    )


@pytest.mark.parametrize(("seeds", "meant"), [("3", (1, 2, 3)), ("[0, 9]", (0, 9))])
def test_seeds_are_a_number_or_a_list(written, seeds, meant):
    asked = load_sweep(written("  - horizon: [1 s]\n", more=f"seeds: {seeds}\n"))
    assert (asked.seeds, asked.name) == (meant, "sweep")  # named by its file


def test_a_file_with_axes_is_a_sweep(written, tmp_path):
    assert is_sweep(written("  - horizon: [1 s]\n"))
    assert not is_sweep(tmp_path / "small.yaml")
    assert not is_sweep(tmp_path / "small.csv")
    assert not is_sweep(tmp_path / "nowhere")


# -- the table


def test_the_table_is_tidy(written, tmp_path):
    out = tmp_path / "out"
    result = sweep(written(GRID), out, backend=in_this_process)
    assert result.failures == ()
    table = pd.read_parquet(out / "points.parquet")
    assert table.columns.tolist() == [
        *("site.pools[main].nodes", "policies.scheduler", "output.timeline_bin", "variant"),
        *("seed", "status", "run"),
        *(headline.key for headline in HEADLINES),
        "site.gpus",
        *(f"gpu_time.{share.name}" for share in GPU_TIME_SHARES),
    ]
    assert table["status"].tolist() == ["ok"] * 8
    assert table["run"].tolist() == [f"{n:04d}" for n in range(1, 9)]
    # Eight nodes, drained: the worked example under both schedulers.
    worked = table[(table["site.pools[main].nodes"] == "8") & (table["variant"] == "whole")]
    assert worked["wait_s.mean"].tolist() == [7.0, 4.5]
    shares = table[[f"gpu_time.{share.name}" for share in GPU_TIME_SHARES]]
    assert shares.sum(axis=1).tolist() == pytest.approx([1.0] * 8)
    # The same in the CSV, and in each run's own summary.
    csv = pd.read_csv(out / "points.csv", dtype={"run": str})
    assert csv["makespan_s"].tolist() == table["makespan_s"].tolist()
    for row in table.to_dict("records"):
        summary = Results(out / "runs" / row["run"]).summary
        assert (summary["scenario"], summary["seed"]) == (row["run"], 1)
        assert summary["utilisation"] == row["utilisation"]
    assert "easy-backfill" in (out / "report.html").read_text("utf-8")


def test_values_that_are_no_plain_text_are_shown_as_they_are_written(written, tmp_path):
    axes = "  - workload.transforms: [[], [{max_gpus: 2}]]\n  - output.timeline_bin: [null, 1 s]\n"
    table = sweep(written(axes), tmp_path / "out", backend=in_this_process).points
    assert table["workload.transforms"].tolist() == ["[]"] * 2 + ['[{"max_gpus": 2}]'] * 2
    assert table["output.timeline_bin"].tolist() == ["null", "1 s"] * 2
    assert table["jobs.completed"].tolist() == [6, 6, 2, 2]


def test_worker_counts_do_not_change_a_byte(written, tmp_path):
    path = written("  - policies.scheduler: [fifo, easy-backfill]\n", more="seeds: 2\n")
    sweep(path, tmp_path / "none", backend=in_this_process)
    for workers in (1, 3):
        sweep(path, tmp_path / str(workers), workers=workers)
    files = [
        "points.parquet",
        "points.csv",
        "report.html",
        *(f"runs/000{n}/jobs.parquet" for n in (1, 4)),
    ]
    for name in files:
        alike = {(tmp_path / out / name).read_bytes() for out in ("none", "1", "3")}
        assert len(alike) == 1, name


def test_progress_is_told_point_by_point(written, tmp_path):
    told = []
    path = written("  - horizon: [1 s, 2 s]\n")
    sweep(path, tmp_path, backend=in_this_process, advance=lambda *at: told.append(at))
    assert told == [(1, 2), (2, 2)]


# -- points that fail


def test_points_that_die_are_listed_and_take_nobody_with_them(written, tmp_path, plugins):
    plugin = tmp_path / "deadly.py"
    plugin.write_text(DEADLY)
    ways = ["none", "raise", "exit", "kill", "silent", "none"]
    axes = "  - zip:\n      policies.scheduler:\n" + "".join(
        f"        - deadly: {{way: {way}}}\n" for way in ways
    )
    result = sweep(written(axes), tmp_path / "out", workers=2, plugins=[plugin])
    statuses = result.points["status"].tolist()
    assert statuses == [
        "ok",
        "Deadly raised ZeroDivisionError: no idea, at 0 s; run with --debug before the command "
        "to see where",
        "the worker died with exit code 3",
        "the worker was killed by signal 9; out of memory, perhaps",
        "TwinError",
        "ok",
    ]
    assert [done.point.folder for done in result.failures] == ["0002", "0003", "0004", "0005"]
    assert result.points["wait_s.mean"].notna().tolist() == [True, *[False] * 4, True]
    assert result.lines()[0] == "sweep: 2 of 6 points ran"
    assert "failed: 0003: the worker died with exit code 3" in result.lines()
    # Nothing half written, of those killed either.
    assert sorted(path.name for path in (tmp_path / "out/runs").iterdir()) == ["0001", "0006"]
    assert "ZeroDivisionError: no idea" in (tmp_path / "out/report.html").read_text("utf-8")


def test_a_point_without_jobs_is_listed(written, tmp_path):
    axes = "  - workload.transforms: [[{window: {start: 1 day}}], []]\n"
    result = sweep(written(axes), tmp_path / "out", backend=in_this_process)
    assert [bool(done.error) for done in result.failures] == [True]
    assert "window" in result.failures[0].error
    assert result.points["status"].tolist()[1] == "ok"


def test_every_point_may_fail(written, tmp_path):
    axes = "  - workload.transforms: [[{window: {start: 1 day}}]]\n"
    result = sweep(written(axes), tmp_path / "out", backend=in_this_process)
    assert len(result.failures) == 1
    assert result.lines()[0] == "sweep: 0 of 1 points ran"
    assert len(pd.read_parquet(tmp_path / "out" / "points.parquet")) == 1


def test_runs_of_an_earlier_sweep_do_not_pass_for_this_ones(written, tmp_path):
    out = tmp_path / "out"
    sweep(written("  - horizon: [1 s, 2 s, 3 s]\n"), out, backend=in_this_process)
    (out / "runs" / "notes").mkdir()

    def second_dies(tasks, workers):
        for task in tasks:
            yield Done(task.point, {}, "dead") if task.point.number == 2 else run_point(task)

    sweep(written("  - horizon: [4 s, 5 s]\n"), out, backend=second_dies)
    assert sorted(path.name for path in (out / "runs").iterdir()) == ["0001", "notes"]
    assert Results(out / "runs" / "0001").summary["horizon_s"] == 4.0


def test_a_worker_that_is_not_needed_is_not_started(written, tmp_path):
    assert list(local_processes([], 4)) == []


# -- files at fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["sweep.yaml:1:1: is empty"]),
        ("[1]", ["sweep.yaml:1:1: expected a mapping with the keys name, scenario, seeds, axes"]),
        (
            "axis: []\n",
            [
                "sweep.yaml:1:1 axis: unknown key 'axis'; did you mean 'axes'?",
                "sweep.yaml:1:1 scenario: missing; give the scenario file",
                "sweep.yaml:1:1 axes: missing; give a list of axes",
            ],
        ),
        (
            "scenario: smal.yaml\naxes: [{horizon: [1 s]}]\nseeds: 0\nname: [x]\n",
            [
                "sweep.yaml:4:1 name: expected a name, found a list",
                "did you mean 'small.yaml'?",
                "sweep.yaml:3:1 seeds: expected a number of seeds, or a list of different ones",
            ],
        ),
        ("scenario: small.yaml\naxes: []\n", ["sweep.yaml:2:1 axes: expected a list of axes"]),
        ("scenario: small.yaml\naxes: {}\n", ["sweep.yaml:2:1 axes: expected a list of axes"]),
        ("scenario: small.yaml\nseeds: [1, 1]\naxes: [{horizon: [1 s]}]\n", ["different ones"]),
        ("scenario: small.yaml\nseeds: -1\naxes: [{horizon: [1 s]}]\n", ["found -1"]),
        ("scenario: small.yaml\nseeds: true\naxes: [{horizon: [1 s]}]\n", ["found true"]),
        ("scenario: small.yaml\nseeds: 100001\naxes: [{horizon: [1 s]}]\n", ["found 100001"]),
        (
            "scenario: small.yaml\naxes:\n  - 3\n  - {a: [1], b: [2]}\n"
            "  - horizon: 1 s\n  - seed: []\n",
            [
                "axes[0]: expected one of {path.to.key: [...]}, {zip: {...}} and {variants: {...}}",
                "axes[1]: expected one of",
                "axes[2]: expected a list of values for horizon, found '1 s'",
                "axes[3]: expected a list of values for seed, found",
            ],
        ),
        (
            "scenario: small.yaml\naxes:\n  - zip: {horizon: [1 s], a: [1, 2]}\n  - zip: 3\n"
            "  - variants: [a]\n  - variants: {a: 1}\n",
            [
                "axes[0]: lists that go together must be equally long: horizon has 1, a has 2",
                "axes[1]: expected path: list pairs, found 3",
                "axes[2]: expected a name for each set of values",
                "axes[3]: expected a name for each set of values",
            ],
        ),
        (
            "scenario: small.yaml\naxes: [{horizon: [1 s]}, {horizon: [2 s]}]\n",
            ["axes: 'horizon' is on two axes; put it on one"],
        ),
        (
            "scenario: small.yaml\naxes:\n  - seed: [1, 2]\n  - variants: {a: {name: x}}\n",
            [
                "axes[0]: seed is no axis: every point is run with each of the seeds",
                "axes[1]: name is no axis: every point is named by its number",
            ],
        ),
        (
            "scenario: small.yaml\nseeds: 1000\naxes: [{horizon: [1 s, 2 s]}, "
            + "{'site.pools[0].nodes': [" + ", ".join(map(str, range(1, 52))) + "]}]\n",
            ["axes: 102,000 points are more than 100,000"],
        ),
    ],
)  # fmt: skip
def test_a_file_at_fault_says_where_and_what(written, tmp_path, text, said):
    path = written("")
    path.write_text(text)
    found = refusals(path)
    assert len(found) == len(said)
    for message, part in zip(found, said, strict=True):
        assert part in message


def test_points_that_are_no_scenarios_are_named_before_any_runs(written, tmp_path):
    path = written("  - site.pools[main].nodes: [8, 0]\n  - policies.scheduler: [fifo, fif]\n")
    with pytest.raises(InputError) as caught:
        sweep(path, tmp_path / "out")
    said = str(caught.value).splitlines()
    assert said[0] == "some points of the sweep are no valid scenarios"
    assert "'policies.scheduler': 'fif'}: --set policies.scheduler: unknown scheduler" in said[1]
    assert "nodes': 0" in said[2] and "must be 1 or above, found 0" in said[2]
    assert not (tmp_path / "out").exists()


def test_a_hundred_wrong_points_are_not_all_listed(written):
    path = written(f"  - site.pools[main].nodes: {json.dumps([-n for n in range(100)])}\n")
    with pytest.raises(InputError) as caught:
        plan(path)
    assert len(str(caught.value).splitlines()) == 12
    assert str(caught.value).endswith("and 90 more")


def test_an_axis_that_leads_nowhere_is_named(written):
    with pytest.raises(InputError, match=r"unknown key 'pol'; did you mean 'pools'"):
        plan(written("  - site.pol: [1]\n"))
