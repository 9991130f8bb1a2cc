"""More power is never worse under `efficient`; and the same run twice is the same run."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power_runs import CURVES, PROFILES
from powered_site import hall, jobs, model, node, run, work
from test_determinism import RANDOM, RUN, digests

from twin.run import run as run_scenario
from twin.tables import JOB_KINDS


def case(seed):
    """A site with a node for every job, so that none ever waits."""
    luck = Random(seed)
    rows = [
        (
            float(luck.randint(0, 100)),
            float(luck.choice([20, 50, 120, 300])),
            luck.choice([1, 2, 4]),
        )
        for _ in range(luck.randint(2, 10))
    ]
    site = hall(sum(-(-gpus // 2) for *_, gpus in rows), nodes_per_rack=3)
    kinds = [luck.choice(JOB_KINDS) for _ in rows]
    built = model(
        site,
        nodes=[node(per_w=0.1, fan_per_w3=1e-9)],
        works={(0, name): work(name, *CURVES[name]) for name in PROFILES},
        profile_of={"batch": "light", "serving": "light"},
    )
    return site, jobs(*sorted(rows), kind=kinds), built


def with_cap(built, work_, part):
    """The site's cap, from all jobs at their floors (0) to all at their most (1)."""
    site, each = built.domains[-1], built.nodes[0]
    ends_w = []
    for at in (0, -1):
        total_w = 10.0  # jobs that share a node make it draw a little more than this says
        for gpus, kind in zip(work_["gpus"].tolist(), work_["kind"].tolist(), strict=True):
            gpu_w = built.work[0, built.profile_of[kind]].curve.power_w[at]
            nodes = -(-gpus // 2)
            total_w += nodes * each.input_w((gpus * gpu_w + (2 * nodes - gpus) * 100.0) / nodes)
        ends_w.append(total_w)
    cap_w = ends_w[0] + part * (ends_w[1] - ends_w[0])
    return replace(built, domains=(*built.domains[:-1], replace(site, rated_w=np.full(1, cap_w))))


PARTS = st.floats(0, 1)


@given(st.integers(0, 2**32), PARTS, PARTS)
@settings(deadline=None, max_examples=30)
def test_a_higher_cap_gives_no_less_useful_gpu_time(seed, one, other):
    """Control is at once, no job ever waits, and none is ever paused.

    Useful GPU-time is counted up to a horizon at which work is left under the lower cap. It may
    fall by a little, and does by more outside of these conditions:

    - `efficient` is best for an instant, not for a horizon. A job that a higher cap lets end sooner
      frees watts sooner, but one that is quick now may leave work behind that uses watts badly
      once it is alone, below the cap. What was gained by then is bounded by the work that ended.
    - What is optimal is found to a thousandth, and steps of less than a hundredth upwards are not
      taken.
    - With a period a higher cap is noticed at other instants, by up to a period and a delay.
    - Which jobs are paused where floors do not fit is a knapsack answered by order.
    """
    site, work_, built = case(seed)
    low, high = sorted((one, other))
    useful = []
    for part in (low, high):
        seen = run(site, work_, with_cap(built, work_, part), power="efficient", horizon_s=200.0)
        assert seen.of("violation_s") == 0
        useful.append(seen.gpu_s["useful"])
    assert useful[1] >= useful[0] * (1 - 1e-3)


POWERED = """\
power:
  levels:
    site: {oversubscription: 1.6}
    rack: {oversubscription: 1.2}
  caps:
    - {at: 1 day, lasts: 6 h, every: 1 day, share: 0.8}
    - {at: 0 s, level: row, unit: 0, cap: 30 kW}
"""
POLICIES = """\
policies:
  scheduler: easy-backfill
  power: efficient
  lighting: {sleep: {after: 10 min}}
  admission: powered
"""


@pytest.fixture
def scenario(tmp_path):
    text = RANDOM.replace("policies: {scheduler: easy-backfill}\n", POWERED + POLICIES)
    for name, gpus in (("large", 8), ("small", 4)):
        text = text.replace(
            f"name: {name}, node: {{gpus: {gpus}}}",
            f"name: {name}, node: {{gpus: {gpus}, gpu: h100-sxm}}",
        )
    path = tmp_path / "random.yaml"
    path.write_text(text)
    return path


@pytest.mark.slow
def test_hash_seeds_do_not_matter(scenario, tmp_path, process):
    found = run_scenario(scenario, tmp_path / "here", report=False)
    assert found.summary["power"]["decisions"] > 10
    assert found.summary["power"]["dark_gpu_s"]["demand"] > 0
    here = digests(found.path) | {"power": (found.path / "power.parquet").read_bytes()}
    child = process(scenario, tmp_path / "there", code=RUN, env={"PYTHONHASHSEED": "4242"})
    assert child.wait(timeout=100) == 0, child.stderr.read()
    folder = tmp_path / "there" / "random"
    assert digests(folder) | {"power": (folder / "power.parquet").read_bytes()} == here
