"""Whatever fails and whoever decides: every GPU in one state, every GPU-second in one share."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.distributions import Choice, Constant, Exponential, Gamma, Lognormal, Weibull
from twin.failures.model import FailureModel, FaultClass, Incident, Maintenance, Stage
from twin.failures.restart import RestartModel, SaveLevel, Storage
from twin.kernel.hazards import Reliability
from twin.kernel.simulation import Simulation
from twin.registry import RECOVERIES, make_policy
from twin.results.outcome import outcome
from twin.site.domains import Domains
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

H, D = 3600.0, 86400.0
SITE = lay_out(
    [
        Pool("main", "node", "", 8, 12, nodes_per_rack=3, racks_per_row=2, spares=1),
        Pool("lent", "node", "", 8, 3),
    ]
)
OPTIONS = {
    "borrow": {"pool": "lent", "take": "2 min", "take_back": "10 min"},
    "replace": {"patience": "2 h", "take": "3 min"},
    "elastic": {"replica_nodes": 2},
    "replicas": {"replica_nodes": 1},
}


EFFECTS = ["fail_stop", "fail_stop", "slow", "silent", "degraded", "no_storage"]
CHECKPOINTS = [("fixed", {"every": "20 min"}), ("daly", {}), ("adaptive", {}), ("none", {})]
FIRMWARE = Maintenance("firmware", "rack", D, 9 * D, 4 * H, 2, H)
MAINS = Incident(3 * D, "mains", "site", 0, 2 * H)
LINKS = Incident(4 * D, "links", "row", 1, H, "degraded", 1.0, 0.5, 0.3)


DATED = [*EFFECTS, "maintenance"]


@st.composite
def dated(draw):
    """An incident at a known time; full hours, so that many things happen at one instant."""
    of = draw(st.sampled_from(["gpu", "gpu", "node", "node", "node", "leaf", "rack", "row"]))
    unit = draw(st.integers(0, Domains(SITE).units(of) - 1))
    at_s = H * draw(st.integers(0, 270))
    lasts_s = H * draw(st.integers(1, 50))
    return Incident(at_s, of, of, unit, lasts_s, draw(st.sampled_from(DATED)), 0.7, 0.5, 0.3)


class Checked(Simulation):
    """A simulation that recounts everything after each instant."""

    def _note(self, now_s):
        super()._note(now_s)
        fleet, cluster = self.cluster.fleet, self.cluster
        held = [0] * SITE.n_nodes
        for node, residents in enumerate(cluster.residents):
            for job in residents:
                assert not held[node] & job.held[node], f"a GPU of node {node} held twice"
                held[node] |= job.held[node]
        down = spare = free = 0
        for node, mask in enumerate(held):
            whole = 0xFF
            leaving = fleet.leaving.get(node, 0)
            assert leaving == mask & fleet.down_mask[node]
            is_down = fleet.down_mask[node] & ~leaving
            is_spare = whole if node in fleet.spare_nodes else 0
            parts = [mask, is_down, is_spare, fleet.free_mask[node]]
            assert sum(parts) == whole, f"node {node} at {now_s}: {parts}"
            assert mask | is_down | is_spare | fleet.free_mask[node] == whole
            down, spare = down + is_down.bit_count(), spare + is_spare.bit_count()
            free += fleet.free_mask[node].bit_count()
        assert (fleet.down_gpus, fleet.spare_gpus, fleet.free_gpus) == (down, spare, free)
        accounts = self._hazards.training.accounts
        lives = self._hazards.training.lives.values()
        assert accounts.busy_gpus == sum(life.busy_gpus for life in lives)
        for life in lives:
            assert life.held_gpus == sum(map(int.bit_count, life.job.held.values()))


def stages(draw):
    first = Stage(((0.0, draw(laws(H, 8 * H))),), escalates=draw(st.sampled_from([0.0, 0.5])),
                  unmended=draw(st.sampled_from([0.0, 0.3])), crew=draw(st.booleans()))  # fmt: skip
    if not first.escalates:
        return (first,)
    return (first, Stage(((0.0, Constant(2 * H)), (5 * D, Constant(H))), unmended=0.2, crew=True))


@st.composite
def laws(draw, low_s, high_s):
    mean_s = draw(st.floats(low_s, high_s))
    return draw(
        st.sampled_from(
            [
                Exponential(mean_s),
                Weibull(0.7, mean_s),
                Weibull(3.0, mean_s),
                Gamma(2.0, mean_s),
                Lognormal(mean_s, 1.0),
                Constant(mean_s),
            ]
        )
    )


@st.composite
def classes(draw, index):
    of = draw(st.sampled_from(["gpu", "node", "node", "leaf", "rack", "row", "site", "job"]))
    if of == "job":
        return FaultClass(f"{of}-{index}", "job", Exponential(draw(st.floats(2 * D, 20 * D))), (),
                          detection=Constant(draw(st.sampled_from([0.0, 600.0]))),
                          permanent=draw(st.sampled_from([0.0, 0.3])),
                          job_scale=draw(st.sampled_from(["job", "node", "gpu"])))  # fmt: skip
    effect = draw(st.sampled_from(EFFECTS))
    units = {"gpu": 120, "node": 15, "leaf": 2, "rack": 5, "row": 3, "site": 1}[of]
    takes = {"gpu": draw(st.sampled_from(["gpu", "node"])), "node": "node"}.get(of, of)
    return FaultClass(
        name=f"{of}-{index}",
        of=of,
        life=draw(laws(units * D, 10 * units * D)),
        repair=stages(draw),
        effect=effect,
        speed=0.8,
        bandwidth=0.5,
        exposed_share=0.3,
        evicts=draw(st.booleans()),
        takes=takes,
        detection=draw(st.sampled_from([Constant(0.0), Constant(60.0), Exponential(H)])),
        recurs=draw(st.sampled_from([None, Constant(H)])),
        false_alarms=draw(st.sampled_from([0.0, 0.3])),
        inspection=Constant(H),
        wrong_unit=draw(st.sampled_from([0.0, 0.4])) if effect == "fail_stop" else 0.0,
        beta=draw(st.sampled_from([0.0, 0.3])) if of in ("gpu", "node") else 0.0,
        beta_of="rack",
        recall=draw(st.sampled_from([0.0, 0.5])),
        precision=0.7,
        lead_s=600.0,
    )


@st.composite
def runs(draw):
    levels = draw(
        st.sampled_from(
            [
                (),
                (SaveLevel("storage", 1, 60.0),),
                (SaveLevel("storage", 1, 5.0, flush_s=600.0, read_s=30.0),),
                (
                    SaveLevel("peer", 1, 1.0, 0.0, 5.0, frozenset({"job", "gpu", "node"})),
                    SaveLevel("storage", 4, 60.0, 300.0, 60.0),
                ),
            ]
        )
    )
    reads = bool(levels) and draw(st.booleans())
    model = FailureModel(
        classes=tuple(draw(classes(i)) for i in range(draw(st.integers(0, 4)))),
        lemons=draw(st.sampled_from([None, Gamma(0.5, 1.0), Choice((1.0, 5.0), (0.8, 0.2))])),
        mends_lemons=draw(st.booleans()),
        maintenance=draw(st.sampled_from([(), (FIRMWARE,)])),
        incidents=draw(st.sampled_from([(), (MAINS, LINKS)]))
        + tuple(draw(st.lists(dated(), max_size=8))),
        crews=draw(st.sampled_from([np.inf, 1])),
    )  # fmt: skip
    restarts = RestartModel(
        startup_s=draw(st.sampled_from([0.0, 120.0])),
        restart_s=draw(st.sampled_from([0.0, 300.0])),
        standby_nodes=draw(st.sampled_from([0, 1])),
        standby_from_nodes=3,
        admit_gpus=draw(st.sampled_from([np.inf, 40.0])),
        retries=draw(st.sampled_from([np.inf, 3])),
        levels=levels,
        state_bytes_per_gpu=1e9 if reads else 0.0,
        storage=Storage(1e8, 1e8, 5e7, 5e7) if reads else None,
    )
    name = draw(st.sampled_from(RECOVERIES.names()))
    checkpoint = draw(st.sampled_from(CHECKPOINTS))
    retirement = draw(st.sampled_from([("never", {}), ("too-often", {"faults": 2})]))
    setup = Reliability(
        model,
        restarts,
        make_policy("recoveries", name, OPTIONS.get(name, {})),
        make_policy("checkpoints", *checkpoint),
        make_policy("retirements", *retirement),
        seed=draw(st.integers(0, 1000)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    n = 25
    jobs = job_table(
        {
            "submit_s": np.sort(rng.uniform(0, 6 * D, n)),
            "run_s": rng.lognormal(np.log(20 * H), 1, n),
            "gpus": rng.choice([1, 2, 4, 8, 16, 20, 64], n),
            "user": rng.choice(["ada", "bob", ""], n),
            "kind": rng.choice(["training", "batch", "interactive", "serving"], n),
            "pool": rng.choice(["main", "lent", "", ""], n),
        }
    )
    jobs.loc[(jobs["gpus"] > 24).to_numpy(), "pool"] = "main"
    return setup, jobs, draw(st.sampled_from(["fifo", "easy-backfill"]))


@given(runs())
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_every_gpu_in_one_state_and_every_second_in_one_share(case):
    setup, jobs, scheduler = case
    simulation = Checked(
        SITE,
        jobs,
        make_policy("schedulers", scheduler, {}),
        make_policy("placements", "best-fit", {}),
        reliability=setup,
    )
    record = simulation.run(12 * D)
    tables = outcome(record, jobs, SITE)  # raises if a ledger does not balance
    assert sum(tables.gpu_time.values()) == pytest.approx(SITE.n_gpus * record.horizon_s, rel=1e-9)

    seen = record.incidents
    over = np.array(seen.open, int) == 0
    assert (np.array(seen.open, int) >= 0).all()
    np.testing.assert_array_equal(over, ~np.isnan(np.array(seen.recovered_s, float)))
    assert (np.array(seen.recovered_s)[over] >= np.frombuffer(seen.time_s)[over]).all()

    incidents, done = tables.incidents, tables.jobs
    for share in ("restart", "lost"):
        of_jobs = done[f"{share}_gpu_s"].sum()
        of_incidents = incidents[f"{share}_gpu_s"].sum()
        if share == "restart":
            of_incidents += incidents["idled_gpu_s"].sum()
        assert of_incidents == pytest.approx(of_jobs, rel=1e-9, abs=1e-3)
    slowed = done["straggling_gpu_s"].sum() + done["exposed_comm_gpu_s"].sum()
    assert incidents["slowed_gpu_s"].sum() == pytest.approx(slowed, rel=1e-9, abs=1e-3)
    assert incidents["down_gpu_s"].sum() == pytest.approx(tables.gpu_time["down"], abs=1e-3)

    shares = done[[c for c in done if c.endswith("_gpu_s")]]
    assert (shares > -1e-3).all().all(), shares.min()
    whole = (done["state"] == "completed").to_numpy()
    kept = whole & (done["kind"] != "serving").to_numpy()
    np.testing.assert_allclose(
        done.loc[kept, "useful_gpu_s"], (done["run_s"] * done["gpus"])[kept], rtol=1e-9, atol=1e-3
    )
    assert (done["users_hit"] if "users_hit" in done else incidents["users_hit"]).ge(0).all()
    assert (incidents["users_hit"] <= incidents["jobs_hit"]).all()
