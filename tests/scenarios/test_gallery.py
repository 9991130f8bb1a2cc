"""Every scenario that ships: valid, as the JSON Schema says, and it runs and can be run again.

Runs are cut to a few days of work, but for one; nothing here depends on the figures that come out.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest
from json_schema import faults
from scipy.stats import poisson
from typer.testing import CliRunner

from twin.cli import app
from twin.errors import ScenarioError
from twin.registry import make_policy
from twin.results.store import Results
from twin.run import load, run
from twin.scenario.files import read_text
from twin.scenario.load import INPUT_FILES, schema_json
from twin.scenario.schema import Scenario
from twin.scenario.sweep import is_sweep
from twin.scenario.workload import Fill
from twin.scenario.yaml_tree import parse
from twin.sweep import plan
from twin.tables import GPU_TIME_SHARES, RUN_TABLES

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "scenarios").rglob("*.yaml"))
SWEEPS = [path for path in FILES if is_sweep(path)]
SCENARIOS = [path for path in FILES if path not in SWEEPS]
STARTER = Path(str(files("twin.scenario") / "starter.yaml"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def opened(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """A scenario; skips where it names measured data that are not there."""
    try:
        return load(path, overrides)
    except ScenarioError as error:
        if all("no such file" in p.message and p.path in INPUT_FILES for p in error.problems):
            pytest.skip(f"{name_of(path)} needs measured data from ../shared, which is not there")
        raise


def cut_short(scenario: Scenario) -> list[str]:
    """Settings that leave a few days of a scenario's work."""
    if scenario.workload.synthetic is not None:
        return ["workload.synthetic.duration=2 days", "horizon=3 days"]
    if scenario.workload.jobs:
        is_short = isinstance(scenario.horizon_s, float) and scenario.horizon_s < 4 * 86400
        return [] if is_short else ["horizon=4 days"]
    if any(isinstance(change, Fill) for change in scenario.workload.transforms):
        return ["workload.transforms=[{fill: {until: 0.02}}]", "horizon=10 min"]
    return ["workload.transforms=[{window: {end: 4 days}}]"]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    """Where the paths of traces begin."""
    monkeypatch.chdir(ROOT)


def test_the_gallery_has_what_others_rely_on():
    named = {name_of(path) for path in FILES}
    philly = {f"scenarios/philly/{s}-{n}.yaml" for s in ("fifo", "easy") for n in (96, 64)}
    assert {"scenarios/first.yaml", *philly} <= named
    blast = "ten-small-users one-large-user nodes-of-8 nvl72 nvl72-switch-trays packed spread"
    blast += " spares llama3-54d site-outage site-outage-regulated airesim-table1"
    assert {f"scenarios/blast-radius/{name}.yaml" for name in blast.split()} <= named
    power = "feed-20mw demand-response feed-loss air-phoenix air-seattle liquid-phoenix"
    power += " liquid-seattle time-of-use polca rack-130kw"
    assert {f"scenarios/power/{name}.yaml" for name in power.split()} <= named
    assert any(name.startswith("scenarios/sweeps/") for name in named)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_is_valid_and_says_what_it_is_for(path):
    if path not in SWEEPS:
        assert opened(path).description
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("path", [*SCENARIOS, STARTER], ids=lambda path: path.name)
def test_editors_find_each_valid_by_the_json_schema(path):
    tree = parse(read_text(path), str(path)).plain()
    assert faults(tree, schema_json()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"horizn": "1 d"}, "horizn: not allowed"),
        ({"seed": -1}, "breaks minimum 0"),
        ({"horizon": 5}, "none of"),
        ({"site": {"pools": [{}]}}, "name is missing"),
        ({"workload": {"trace": {"path": 3}}}, "3 is no string"),
        ({"policies": {"scheduler": 3}}, "3 is no string"),
        ({"site": None}, "None is no object"),
    ],
)
def test_editors_find_what_is_wrong(change, said):
    """So that the check of the gallery can fail."""
    tree = parse(read_text(STARTER), "starter.yaml").plain()
    assert said in " ".join(faults(tree | change, schema_json()))
    assert faults({"name": "x"}, schema_json()) != []


@pytest.mark.parametrize("path", SCENARIOS, ids=name_of)
def test_each_runs_balances_and_runs_again_to_the_byte(path, tmp_path):
    short = load(path, cut_short(opened(path)))
    results = run(short, tmp_path, report=path.name == "first.yaml")
    balances(results)
    again = run(results.path / "scenario.yaml", tmp_path / "again", report=False)
    for table in RUN_TABLES:
        file = f"{table.name}.parquet"
        assert (again.path / file).read_bytes() == (results.path / file).read_bytes(), file
    assert again.scenario_yaml == results.scenario_yaml
    assert without_engine(again) == without_engine(results)


def test_the_whole_philly_trace_balances(tmp_path):
    """Uncut, since a ledger of 80,000 jobs is where sums might drift apart."""
    results = run(opened(ROOT / "scenarios/philly/fifo-96.yaml"), tmp_path, report=False)
    balances(results)
    assert results.summary["jobs"]["completed"] == 82_247


@pytest.mark.parametrize("path", SWEEPS, ids=name_of)
def test_each_sweeps_first_and_last_points_run(path, tmp_path):
    asked, points = plan(path)
    short = cut_short(opened(asked.scenario))
    for point in (points[0], points[-1]):
        scenario = load(asked.scenario, [*point.overrides, *short])
        balances(run(scenario, tmp_path, report=False))


def balances(results: Results) -> None:
    """Shares sum to what was bought; every job is in one state; jobs' shares are the ledger's."""
    ledger = results.summary["ledgers"]["gpu_time"]
    assert ledger["total"] == results.summary["site"]["gpus"] * results.summary["horizon_s"] > 0
    assert sum(ledger["shares"].values()) == pytest.approx(ledger["total"], rel=1e-9)
    counted = dict(results.summary["jobs"])
    jobs = int(results.jobs["until_s"].isna().sum())  # the others are replicas of services
    assert counted.pop("submitted") == sum(counted.values()) == jobs > 0
    for share in GPU_TIME_SHARES:
        held = results.jobs[f"{share.name}_gpu_s"].sum()
        assert held <= ledger["shares"][share.name] * (1 + 1e-9)
    assert results.jobs["useful_gpu_s"].sum() == pytest.approx(ledger["shares"]["useful"])
    if "power" in results.summary:
        energy_balances(results)


def energy_balances(results: Results) -> None:
    """Shares of energy sum to the meter, which shows no less than any level below, nor than jobs.

    What is dark by reason is what is dark or down.
    """
    ledger, seen = results.summary["ledgers"]["energy"], results.summary["power"]
    assert ledger["total"] == pytest.approx(seen["facility_energy_j"], rel=1e-9)
    assert sum(ledger["shares"].values()) == pytest.approx(ledger["total"], rel=1e-9)
    assert min(ledger["shares"].values()) >= 0 < ledger["total"]
    levels = results.power.groupby("level", observed=True)["energy_j"].sum()
    assert levels["site"] == pytest.approx(ledger["total"], rel=1e-9)
    in_order = [levels[level] for level in seen["levels"]]
    assert in_order == pytest.approx(sorted(in_order))
    assert 0 < results.jobs["energy_j"].sum() < levels["rack"]
    lost = results.summary["ledgers"]["gpu_time"]["shares"]
    assert sum(seen["dark_gpu_s"].values()) == pytest.approx(lost["dark"] + lost["down"])


def without_engine(results: Results) -> dict:
    return {key: value for key, value in results.summary.items() if key != "engine"}


def test_the_llama3_run_is_interrupted_as_often_as_published(tmp_path):
    """419 unexpected interruptions in 54 days, and more than 90 % effective training time."""
    path = ROOT / "scenarios/blast-radius/llama3-54d.yaml"
    seen = []
    for seed in range(1, 6):
        summary = run(load(path, [f"seed={seed}"]), tmp_path, report=False).summary
        seen.append(summary["reliability"])
    low, high = poisson.ppf([0.025, 0.975], 419)
    assert low <= seen[0]["interruptions"] <= high
    assert seen[0]["ettr"] > 0.90
    # The mean of five seeds, within 99.9 % of what 419 a run would give.
    mean = sum(each["interruptions"] for each in seen) / len(seen)
    assert abs(mean - 419) < 3.3 * (419 / len(seen)) ** 0.5


def test_the_regulator_brings_gpus_back_sooner(tmp_path):
    """All at once, every job waits for the last byte; a few at a time, the first are back early."""
    away = []
    for name in ("site-outage", "site-outage-regulated"):
        results = run(load(ROOT / f"scenarios/blast-radius/{name}.yaml"), tmp_path, report=False)
        away.append(results.jobs["interrupted_s"] @ results.jobs["gpus"])
    assert away[1] < 0.85 * away[0]


def test_one_fault_hits_more_of_one_large_user(tmp_path):
    """The same faults of the same parts: how many GPUs they idle depends on who uses them."""
    small, large = (
        run(load(ROOT / f"scenarios/blast-radius/{name}.yaml"), tmp_path, report=False)
        for name in ("ten-small-users", "one-large-user")
    )
    hardware = [
        each.incidents[~each.incidents["domain"].str.startswith("job").to_numpy()]
        for each in (small, large)
    ]
    struck = [
        list(zip(each["time_s"], each["component"], each["component_id"], strict=True))
        for each in hardware
    ]
    assert struck[0] == struck[1] != []
    assert hardware[0]["gpus_idled"].max() == 0
    assert hardware[1]["gpus_idled"].max() == 72
    assert large.summary["reliability"]["ettr"] < small.summary["reliability"]["ettr"]


POWER = sorted((ROOT / "scenarios/power").glob("*.yaml"))


def run_power(name: str, folder: Path, *overrides: str) -> Results:
    """A run of the power gallery, cut short."""
    path = ROOT / f"scenarios/power/{name}.yaml"
    short = cut_short(opened(path))
    return run(load(path, [*short, *overrides]), folder, report=False)


@pytest.mark.parametrize("path", POWER, ids=lambda path: path.stem)
def test_no_cap_of_the_gallery_is_exceeded_for_longer_than_promised(path, tmp_path):
    """Longest stretch above a cap: at most period and delay of the policy together."""
    scenario = opened(path)
    policy = make_policy("power", scenario.policies.power.name, scenario.policies.power.options)
    seen = run_power(path.stem, tmp_path).summary["power"]
    assert seen["longest_violation_s"] <= policy.period_s + policy.delay_s + 1e-6


def test_the_control_loop_is_what_keeps_the_caps(tmp_path):
    """So that the test above can fail: without control the call of the grid is not met."""
    seen = run_power("demand-response", tmp_path, "policies.power=uncapped").summary["power"]
    assert seen["longest_violation_s"] == pytest.approx(7200)


def test_a_call_of_the_grid_spares_serving(tmp_path):
    jobs = run_power("demand-response", tmp_path).jobs
    lost_gpu_s = jobs.groupby("kind", observed=True)["throttled_gpu_s"].sum()
    assert lost_gpu_s["serving"] == pytest.approx(0, abs=1e-6)
    assert min(lost_gpu_s["batch"], lost_gpu_s["training"]) > 3600


def test_a_lost_feed_trips_nothing_if_caps_follow(tmp_path):
    results = run_power("feed-loss", tmp_path)
    assert set(results.incidents["kind"]) == {"cap"}
    site = results.power[results.power["level"] == "site"].iloc[0]
    assert site["least_cap_w"] == 900e3 < site["peak_w"]


def test_liquid_needs_less_than_air_and_air_less_in_a_cool_city(tmp_path):
    """In July; in winter outside air does for both cities."""
    pue = {
        name: run_power(name, tmp_path, "start=2025-07-10").summary["power"]["pue"]
        for name in ("air-phoenix", "air-seattle", "liquid-phoenix", "liquid-seattle")
    }
    assert pue["liquid-phoenix"] < pue["air-phoenix"]
    assert pue["liquid-seattle"] < pue["air-seattle"] < pue["air-phoenix"]


def test_shifting_to_cheap_hours_lowers_the_bill_for_energy(tmp_path):
    shifted, now = (
        run_power(name, tmp_path).summary for name in ("time-of-use", "time-of-use-now")
    )
    assert shifted["cost"]["usd_energy"] < 0.9 * now["cost"]["usd_energy"]
    assert shifted["wait_s"]["mean"] > now["wait_s"]["mean"]


def test_an_optimum_lies_within_the_sweep_of_sizes(tmp_path):
    """More than 12,000 and fewer than 40,000 GPUs do the most work behind 20 MW."""
    path = ROOT / "scenarios/sweeps/feed-20mw.yaml"
    asked, points = plan(path)
    assert len(points) == 8 * 5
    useful = {}
    for point in points:
        nodes, variant = point.values.values()
        if nodes in (1500, 2500, 5000) and variant == "uniform":
            scenario = load(asked.scenario, [*point.overrides, "horizon=3 h"])
            results = run(scenario, tmp_path, report=False)
            balances(results)
            useful[nodes] = results.summary["power"]["useful_gpus"]
    assert useful[1500] < useful[2500] > useful[5000]
