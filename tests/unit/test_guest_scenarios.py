"""Services that say how busy they are: what a scenario may write, and the loads that come of it."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog import models, parts
from twin.errors import DomainError, InputError, ScenarioError
from twin.physics.guests import guest_rate, host_share
from twin.run import load
from twin.scenario.load import dump
from twin.scenario.services import Service
from twin.workload.hosting import fits_memory, hosts_of
from twin.workload.jobs import job_table

SCENARIO = """
name: gaps
horizon: 2 days
site: {pools: [{name: main, node: dgx-h100, nodes: 2}]}
workload:
  services:
    - {name: chat, gpus: 8, replicas: {steps: [[0 h, 1]]}, busy: 0.4, guests: {memory: 0.3}}
policies: {guests: fill}
"""
MONDAY = datetime(2025, 1, 6)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "gaps.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_number_alone_is_a_share(written, tmp_path):
    scenario = load(written)
    assert scenario.workload.services[0].busy.share == 0.4
    again = tmp_path / "again.yaml"
    again.write_text(dump(scenario))
    assert load(again) == scenario
    # A mapping laid over a number replaces it, as naming another alternative does.
    tide = load(written, ["workload.services[chat].busy={daily: {least: 0.1, most: 0.5}}"])
    assert tide.workload.services[0].busy.share is None
    assert tide.workload.services[0].busy.daily.most == 0.5


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("workload.services[chat].busy=1.4", "must be 1 or below"),
        ("workload.services[chat].busy=much", "expected a number, or a mapping with one of"),
        ("workload.services[chat].busy={share: null}", "needs exactly one of share"),
        ("workload.services[chat].busy={steps: [[0 h, 2]]}", "2 must lie between 0 and 1"),
        ("workload.services[chat].busy={steps: [[1 h, 0.1], [0 h, 0.2]]}", "write them in order"),
        ("workload.services[chat].busy={steps: [[1 h]]}", "such as [8 h, 0.7]"),
        ("workload.services[chat].busy={daily: {least: 0.5, most: 0.4}}", "must be least (0.5)"),
        ("workload.services[chat].busy={daily: {least: 0, most: 1, peak: 25 h}}", "time of day"),
        ("workload.services[chat].busy=null", "needs busy: say what share"),
        ("workload.services[chat].guests=null", "fill has no gap to use"),
        ("workload.services[chat].guests.harm=-1", "must be 0 or above"),
        ("policies.guests=full", "did you mean 'fill'"),
        ("policies.guests={fill: {leaves_below: 0.5}}", "must lie between 0 and least"),
        ("policies.guests={fill: {patience: 5}}", "5"),
    ],
)
def test_what_is_refused(written, override, told):
    with pytest.raises(ScenarioError) as raised:
        load(written, [override])
    assert told in str(raised.value)


def loads(busy, end_s=2 * 86_400.0, start=MONDAY):
    service = Service.model_validate(
        {"name": "chat", "gpus": 1, "replicas": {"steps": [["0 h", 1]]}, "busy": busy}
    )
    other = Service.model_validate({"name": "c", "gpus": 1, "replicas": {"steps": [["0 h", 1]]}})
    jobs = job_table(
        {
            "job_id": ["c/1-1", "chat/1-1", "chat/9"],
            "submit_s": [0.0, 0.0, 0.0],
            "run_s": [1.0, 1.0, 1.0],
            "gpus": [1, 1, 1],
            "until_s": [5.0, 5.0, np.nan],
        }
    )
    found = hosts_of([other, service], jobs, 1, start, end_s)
    assert found.of_row.tolist() == [-1, 0, -1]  # a job of that name is no replica
    return found.hosts[0]


def test_loads_by_the_clock():
    assert loads(0.4).busy.tolist() == [0.4]
    steps = loads({"steps": [["8 h", 0.2], ["9 h", 0.7]]})
    assert steps.time_s.tolist() == [0, 8 * 3600, 9 * 3600]
    assert steps.busy.tolist() == [0.2, 0.2, 0.7]
    tide = loads({"daily": {"least": 0.1, "most": 0.7, "step": "1 h"}})
    assert len(tide.busy) == 48
    assert np.argmax(tide.busy[:24]) in (14, 15)
    assert tide.busy[14] == pytest.approx(0.1 + 0.6 * (1 + np.cos(np.pi / 24)) / 2)
    assert tide.busy[2] == pytest.approx(0.1 + 0.6 * (1 - np.cos(np.pi / 24)) / 2)
    loud = loads({"daily": {"least": 0.1, "most": 0.7, "noise": 3.0}})
    assert loud.busy.min() >= 0
    assert loud.busy.max() == 1


def test_loads_of_a_file(tmp_path):
    path = tmp_path / "busy.csv"
    path.write_text("time,busy\n2025-01-05 12:00,0.9\n2025-01-06 06:00,0.3\n")
    found = loads({"file": {"path": str(path)}})
    assert found.time_s.tolist() == [0, 6 * 3600]
    assert found.busy.tolist() == [0.9, 0.3]
    path.write_text("time_s,busy\n0,0.5\n60,1.2\n")
    with pytest.raises(InputError, match=r"row 2 \(60, 1.2\): busy must be a share from 0 to 1"):
        loads({"file": {"path": str(path)}})
    path.write_text("time_s,replicas\n0,5\n")
    with pytest.raises(InputError, match="needs the column busy"):
        loads({"file": {"path": str(path)}})


def test_memory_is_never_over_committed():
    """A model whose memory the catalog knows needs just that share of the GPU."""
    known = next(
        (name for name in models.names() if models.model(name).memory_bytes is not None), None
    )
    assert known is not None
    taken = models.model(known).memory_bytes / parts.gpu("h100-sxm").memory_bytes
    assert fits_memory(known, "h100-sxm", taken * 1.001)
    assert not fits_memory(known, "h100-sxm", taken * 0.999)
    assert fits_memory("nobody knows", "h100-sxm", 0.01)
    assert fits_memory(known, "", 0.01)
    assert not fits_memory("nobody knows", "h100-sxm", 0.0)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_time_is_divided_without_rest(busy, harm, cost):
    host = float(host_share(busy, harm))
    rate = float(guest_rate(busy, harm, cost))
    assert 0 <= rate <= 1 - host <= 1
    assert host >= busy * (1 - 1e-15)
    assert rate == pytest.approx((1 - min(busy * (1 + harm), 1)) * (1 - cost), abs=1e-15)


def test_a_guest_in_gaps_drawn_one_by_one():
    """Turns of a host drawn at random; a guest that computes in between does as much as said."""
    rng = np.random.default_rng(3)
    turns = rng.exponential(0.03, 100_000)  # of the host at its GPU [s]
    waits = rng.exponential(0.07, 100_000)  # for its next request [s]
    total_s = turns.sum() + waits.sum()
    done = waits.sum() / total_s
    error = np.sqrt(2 / 100_000) * 0.3 * 0.7  # of a ratio of sums of exponentials
    assert done == pytest.approx(float(guest_rate(0.3)), abs=4 * error)


def test_arguments_out_of_range():
    with pytest.raises(DomainError, match="busy"):
        host_share(1.1)
    with pytest.raises(DomainError, match="cost"):
        guest_rate(0.5, 0.1, -0.1)
