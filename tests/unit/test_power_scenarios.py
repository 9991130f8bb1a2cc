"""Power from YAML to results: what a key of a scenario changes."""

from dataclasses import replace

import numpy as np
import pytest

from twin import load, run
from twin.errors import InputError
from twin.policies.lighting.dim_or_dark import DimOrDark
from twin.policies.power_view import LIT
from twin.registry import make_policy

SCENARIO = """
name: two-ages
horizon: 1 h
site:
  pools:
    - {name: young, node: dgx-h100, nodes: 8, age: 100 d}
    - {name: old, node: dgx-h100, nodes: 8, age: 900 d}
workload:
  jobs: [{name: work, gpus: 8, run: 2 h, count: 16}]
power:
  levels: {site: {rating: 150 kW}}
policies:
  lighting: {dark: {order: oldest}}
  power: uncapped
"""


def of(text, tmp_path, *overrides):
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    return run(load(path, overrides), tmp_path, report=False)


def test_the_oldest_nodes_are_dark_first(tmp_path):
    results = of(SCENARIO, tmp_path)
    rows = results.power
    dark = rows[rows["level"] == "rack"].set_index("unit")["dark_gpu_s"] / 3600
    # Racks 0 and 1 are the young pool's, 2 and 3 the old one's: 4 nodes of 8 GPUs each.
    assert dark[[0, 1]].sum() == 0
    assert dark[[2, 3]].sum() >= 8
    reasons = results.summary["power"]["dark_gpu_s"]
    assert reasons["power"] / 3600 == pytest.approx(dark[[2, 3]].sum())
    assert reasons["demand"] == reasons["heat"] == reasons["stranded"] == 0


def test_a_cap_below_rest_is_refused_with_the_remedy(tmp_path):
    dark = ["policies.lighting=all-on"]
    with pytest.raises(InputError, match=r"may draw 20 kW, but draws .* at rest.*nameplate"):
        of(SCENARIO.replace("150 kW", "20 kW"), tmp_path, *dark)


def test_children_that_draw_more_at_rest_than_their_parent_may_are_refused(tmp_path):
    text = SCENARIO.replace(
        "{site: {rating: 150 kW}}", "{rack: {rating: 40 kW}, row: {rating: 5 kW}}"
    )
    with pytest.raises(InputError, match=r"power\.levels\.row: row 0 may draw 5 kW"):
        of(text, tmp_path, "policies.lighting=all-on")


def test_a_node_of_unknown_gpus_has_no_power(tmp_path):
    text = SCENARIO.replace("node: dgx-h100, nodes: 8, age: 100 d", "node: {gpus: 8}, nodes: 8")
    with pytest.raises(InputError, match=r"site\.pools\[0\]\.node.*\{gpus: 8, gpu: h100-sxm\}"):
        of(text, tmp_path)


def test_energy_of_jobs_without_power_is_not_known(tmp_path):
    without = SCENARIO.split("power:\n")[0]
    results = of(without, tmp_path)
    assert results.jobs["energy_j"].isna().all()
    assert results.power is None
    assert "power" not in results.summary
    assert "energy" not in results.summary["ledgers"]


FAILING = """
name: dark-and-frail
horizon: 60 d
site:
  pools: [{name: main, node: dgx-h100, nodes: 40}]
workload:
  jobs: [{name: work, gpus: 8, run: 90 d, count: 40}]
power:
  levels: {site: {rating: 250 kW}}
failures:
  classes:
    gpu: {of: gpu, life: {exponential: {mean: 40 d}}, repair: {exponential: {mean: 1 d}}}
recovery: {checkpoint: {write: 10 s}}
policies:
  lighting: nameplate
  power: uncapped
"""


def test_what_is_dark_does_not_fail(tmp_path):
    results = of(FAILING, tmp_path)
    seen = results.summary["power"]
    dark = seen["dark_gpu_s"]["power"] / (320 * 60 * 86400)
    assert 0.3 < dark < 0.7
    # 320 GPUs that failed every 40 days for 60 would meet 480 faults; only those that are lit do.
    lit = 1 - dark - seen["dark_gpu_s"]["failure"] / (320 * 60 * 86400)
    faults = results.summary["reliability"]["incidents"]
    assert faults == pytest.approx(480 * lit, rel=0.25)


@pytest.mark.parametrize("scheduler", ["fifo", "easy-backfill"])
def test_power_without_a_cap_changes_no_start(tmp_path, scheduler):
    text = """
name: same-starts
horizon: drained
site: {pools: [{name: main, node: dgx-h100, nodes: 12}]}
workload: {synthetic: {jobs: 600, load: 1.2}}
"""
    asked = [f"policies.scheduler={scheduler}"]
    without = of(text, tmp_path, *asked).jobs
    with_power = of(text + "power: {levels: {site: {rating: 1 MW}}}\n", tmp_path, *asked).jobs
    assert (without["start_s"] == with_power["start_s"]).all()
    assert (without["wait_s"] > 0).mean() > 0.2
    assert (with_power["energy_j"] > 0).all()


FEED = """
name: feed
horizon: 1 h
site:
  pools: [{name: h100, node: dgx-h100, nodes: 60}]
workload:
  jobs: [{name: work, gpus: 8, run: 2 h, count: 60}]
power:
  levels: {site: {rating: 400 kW}}
  cooling: {type: direct-liquid, weather: seattle}
policies:
  power: {uniform: {period: 0 s, delay: 0 s}}
"""


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """What a lighting policy sees behind a feed for two thirds of its nodes."""
    halls, answer = [], DimOrDark.light
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            DimOrDark, "light", lambda self, hall: halls.append(hall) or answer(self, hall)
        )
        of(FEED, tmp_path_factory.mktemp("feed"), "policies.lighting=dim-or-dark")
    return halls[0]


def most_work(hall, lit):
    """GPUs at full speed that as many nodes are worth if all run at the highest speed that fits."""

    def fits(gpu_w):
        node_w = np.where(np.arange(60) < lit, hall.node_w[0](np.float64(gpu_w)), hall.off_w)
        return hall.drawn_w(node_w)["site"][0] <= hall.cap_w[0]

    curve = hall.curves[0]
    low_w, high_w = curve.power_w[0], curve.power_w[-1]
    if not fits(low_w):
        return 0.0
    if fits(high_w):
        return 8.0 * lit
    for _ in range(60):
        middle_w = (low_w + high_w) / 2
        low_w, high_w = (middle_w, high_w) if fits(middle_w) else (low_w, middle_w)
    return 8 * lit * np.interp(low_w, curve.power_w, curve.rate)


@pytest.mark.parametrize("cap_kw", [150, 200, 250, 300, 350, 400, 500, 600, 700])
def test_dim_or_dark_finds_the_best_number_under_true_losses_and_cooling(feed, cap_kw):
    seen = replace(feed, cap_w=np.array([1e3 * cap_kw]))
    work = [most_work(seen, lit) for lit in range(61)]
    found = (DimOrDark().light(seen) == LIT).sum()
    assert work[found] >= max(work) * (1 - 1e-4)


@pytest.mark.parametrize("cap_kw", [100, 200, 333, 400, 555, 650])
@pytest.mark.parametrize(("name", "at"), [("nameplate", 1.0), ("dark", 0.6)])
def test_as_many_are_lit_as_the_tree_allows(feed, cap_kw, name, at):
    seen = replace(feed, cap_w=np.array([1e3 * cap_kw]))
    options = {} if name == "nameplate" else {"at": at}
    lit = make_policy("lighting", name, options).light(seen) == LIT
    need_w = seen.node_w[0](np.float64(700.0 * at))

    def fits(on):
        return seen.drawn_w(np.where(on, need_w, seen.off_w))["site"][0] <= seen.cap_w[0]

    assert fits(lit)
    if not lit.all():
        lit[np.flatnonzero(~lit)[0]] = True
        assert not fits(lit)
