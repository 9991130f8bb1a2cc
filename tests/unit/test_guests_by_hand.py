"""Guests: cases of a node or two in which every instant and every share is known by hand.

As in `recovery_case`: a node has two GPUs, a job saves after each 100 s of work, which stops it for
10 s; beginning again takes 20 s and 3 s to read. Jobs without a kind that saves lose all.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from recovery_case import down, fails, hall, jobs, repair, run

import twin
from twin.catalog import parts
from twin.errors import PolicyError
from twin.kernel.guests import Hosting
from twin.kernel.hazards import nothing_fails
from twin.kernel.simulation import Simulation
from twin.metrics.guests import guests
from twin.metrics.scheduling import scheduling
from twin.policies.base import GuestPolicy
from twin.policies.decisions import Lodge, Preempt, Wake
from twin.policies.guests.fill import Fill
from twin.policies.guests.never import Never
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.fifo import Fifo
from twin.results.outcome import outcome
from twin.workload.hosting import Host, Hosts


def work(*rows):
    """Jobs by (submit, work, GPUs), and replicas by (from, until, GPUs, service)."""
    rows = sorted(rows, key=lambda row: row[0])
    serves = [len(row) == 4 for row in rows]
    plain = [
        (row[0], row[1] - row[0], row[2]) if one else row
        for row, one in zip(rows, serves, strict=True)
    ]
    return jobs(
        *plain,
        until_s=[row[1] if one else np.nan for row, one in zip(rows, serves, strict=True)],
        kind=["serving" if one else "training" for one in serves],
        job_id=[f"{row[3]}/{at}" if len(row) == 4 else f"job-{at}" for at, row in enumerate(rows)],
    )


def hosting(table, policy=None, fits=None, **services):
    """Services by name: a share, or [(time, share), ...]; ``harm`` and ``cost`` are none."""
    hosts = []
    for name, busy in services.items():
        steps = busy if isinstance(busy, list) else [(0.0, busy)]
        time_s, shares = (np.array(column, float) for column in zip(*steps, strict=True))
        hosts.append(Host(name, time_s, shares, True, 0.5, HARM, COST))
    names = table["job_id"].astype("str").str.partition("/")[0]
    of_row = [list(services).index(name) if name in services else -1 for name in names]
    return Hosting(
        Hosts(tuple(hosts), np.array(of_row, np.int32)),
        policy or Fill(),
        fits or (lambda model, gpu_type, share: True),
    )


HARM, COST = 0.25, 0.2


def guest_run(nodes, table, policy=None, fits=None, services=None, **more):
    told = hosting(table, policy, fits, **(services or {"chat": 0.4}))
    return run(hall(nodes), table, hosting=told, **more)


def test_a_guest_has_the_time_that_its_host_leaves():
    """The host takes 0.4 x 1.25 = half; the guest makes 0.8 work of the other half."""
    table = work((0, 10_000, 2, "chat"), (0, 400, 2))
    case = guest_run(1, table, levels=(), horizon_s=5000.0)
    assert case.end(1) == 400 / 0.4
    assert case.jobs["wait_s"][1] == 0
    # GPU s of two GPUs: the guest's 1000 s, half of them its own.
    assert case.spent(1) == pytest.approx({"useful": 800, "interference": 200})
    # 0.4 of all the time is work; a quarter of that is lost while the guest is there.
    assert case.spent(0) == pytest.approx({"useful": 2 * 0.4 * 5000, "interference": 200})
    assert case.hall("idle") == pytest.approx([2 * 0.6 * 4000])
    assert case.hall("stranded") == [0]
    assert case.jobs["guest_fraction"].tolist() == [0, 1]
    assert case.stays[["job", "node", "gpu_mask", "start_s", "end_s"]].to_numpy().tolist() == [
        [1, 0, 0b11, 0, 1000]
    ]
    assert case.allocations["job"].tolist() == [0]


def test_without_guests_gaps_are_idle_and_stranded_while_somebody_waits():
    table = work((0, 10_000, 2, "chat"), (1000, 400, 2))
    case = guest_run(1, table, Never(), levels=(), horizon_s=5000.0)
    assert case.spent(0) == pytest.approx({"useful": 2 * 0.4 * 5000})
    assert case.hall("idle", "stranded") == pytest.approx([2 * 0.6 * 1000, 2 * 0.6 * 4000])
    assert case.jobs["state"].tolist() == ["running", "queued"]
    assert len(case.stays) == 0


def test_a_guest_follows_the_load_of_its_host():
    """Half of the time is its own until 100 s, none until 300 s, all but a tenth from then on."""
    table = work((0, 10_000, 2, "chat"), (0, 400, 2))
    services = {"chat": [(0.0, 0.4), (100.0, 0.9), (300.0, 0.08)]}
    case = guest_run(1, table, services=services, levels=(), horizon_s=5000.0)
    left_s = 400 - 100 * 0.5 * 0.8
    assert case.end(1) == pytest.approx(300 + left_s / (0.9 * 0.8))
    assert case.spent(1)["useful"] == pytest.approx(800)


def test_gpus_of_its_own_come_first_and_a_small_job_goes_to_the_fullest_berth():
    table = work((0, 9000, 2, "chat"), (0, 9000, 2, "chat"), (0, 5000, 1), (0, 5000, 1),
                 (0, 5000, 1), (0, 5000, 2))  # fmt: skip
    case = guest_run(3, table, levels=(), horizon_s=100.0)
    held = case.allocations
    assert held["job"].tolist() == [0, 1, 2, 3]
    assert sorted(held["node"]) == [0, 1, 2, 2]
    assert case.stays[["job", "node", "gpu_mask"]].to_numpy().tolist() == [[4, 0, 1], [5, 1, 3]]


def test_a_gang_spans_replicas_of_one_service_and_never_of_two():
    table = work((0, 9000, 2, "chat"), (0, 9000, 2, "chat"), (0, 5000, 3))
    case = guest_run(2, table, levels=(), horizon_s=100.0)
    assert case.stays[["node", "gpu_mask"]].to_numpy().tolist() == [[0, 3], [1, 1]]
    table = work((0, 9000, 2, "chat"), (0, 9000, 2, "code"), (0, 5000, 3))
    case = guest_run(2, table, services={"chat": 0.4, "code": 0.1}, levels=(), horizon_s=100.0)
    assert len(case.stays) == 0


def test_the_widest_gap_is_filled_first():
    table = work((0, 9000, 2, "chat"), (0, 9000, 2, "code"), (0, 5000, 2))
    case = guest_run(2, table, services={"chat": 0.4, "code": 0.1}, levels=(), horizon_s=100.0)
    assert case.stays["node"].tolist() == [1]


def test_a_guest_saves_before_its_host_ends_and_waits_in_its_old_place():
    """The replica ends at 600 s: the guest saves from 590 s on, and has the node from then."""
    table = work((0, 600, 2, "chat"), (0, 4000, 2), (500, 100, 2))
    case = guest_run(1, table, services={"chat": 0.2})
    # Its part is 0.75, its speed 0.6: a save of 10 s after each 100 / 0.6 s; three until 590 s.
    worked_s = (590 - 3 * 10) * 0.6
    assert case.stays["end_s"].tolist() == [600]
    held = case.allocations
    mine = held[held["job"] == 1]
    assert mine["start_s"].tolist() == [600]  # before job 2, which came later
    left_s = 4000 - worked_s
    saves = int(left_s // 100)
    assert case.end(1) == pytest.approx(600 + 23 + left_s + 10 * saves)
    assert case.jobs["preemptions"].tolist() == [0, 1, 0]
    assert "lost" not in case.spent(1)
    assert case.spent(1)["useful"] == pytest.approx(8000)


def test_nobody_moves_in_with_a_replica_that_is_about_to_end():
    table = work((0, 600, 2, "chat"), (595, 4000, 2))
    case = guest_run(1, table)
    assert len(case.stays) == 0
    assert case.jobs["start_s"][1] == 600


def test_who_cannot_save_is_suspended_where_nobody_says_what_saving_takes():
    table = work((0, 600, 2, "chat"), (0, 400, 2))
    case = guest_run(1, table, services={"chat": 0.6}, levels=(), restart_s=0.0)
    assert case.end(1) == pytest.approx(600 + 400 - 600 * 0.25 * 0.8)


def test_a_guest_loses_what_it_had_not_saved_when_its_host_fails():
    """Node 0 fails at 300 s. At speed 0.4 the guest had saved once, at 250 to 260 s."""
    table = work((0, 9000, 2, "chat"), (0, 1000, 2))
    case = guest_run(1, table, incidents=[down(300.0, 0, lasts_s=100.0)], horizon_s=8000.0)
    assert case.incidents["jobs_hit"].tolist() == [2]
    assert case.incidents["gpus_down"].tolist() == [2]
    assert case.incidents["gpus_idled"].tolist() == [0]
    lost_s = (300 - 260) * 0.4
    assert case.spent(1)["lost"] == pytest.approx(2 * lost_s)
    assert case.cost()["lost"] == pytest.approx(2 * lost_s)
    assert case.jobs["interruptions"].tolist() == [1, 1]
    # The replica comes back first, at 400 s; it begins again until 420 s, and lends from then on.
    assert case.stays["start_s"].tolist()[:2] == [0, 420]
    assert case.stays["end_s"].tolist()[0] == 300
    assert case.jobs["state"][1] == "completed"
    assert case.spent(1)["useful"] == pytest.approx(2000)


def test_guests_of_a_replica_on_two_nodes_go_when_one_fails():
    """Node 1 fails; the guest on node 0 loses its host all the same, and takes node 2."""
    table = work((0, 9000, 4, "chat"), (0, 9000, 2), (10, 1000, 2))
    case = guest_run(3, table, incidents=[down(100.0, 1)], horizon_s=4000.0)
    assert case.stays["node"].tolist()[0] == 0
    assert case.stays["end_s"].tolist()[0] == 100
    assert case.incidents["jobs_hit"].tolist() == [2]
    assert case.jobs["interruptions"].tolist() == [1, 0, 1]


def test_a_guest_that_fails_alone_begins_again_where_it_is():
    table = work((0, 9000, 2, "chat"), (0, 1000, 2))
    crash = fails("job", 1200.0, name="software", repair=repair(0.0))
    case = guest_run(1, table, classes=[crash], horizon_s=20_000.0)
    assert case.jobs["interruptions"][1] >= 1
    assert case.jobs["state"][1] == "completed"
    assert case.spent(1)["useful"] == pytest.approx(2000)


def test_who_does_not_fit_into_memory_is_no_guest():
    table = work((0, 9000, 2, "chat"), (0, 1000, 2))
    asked = []

    def fits(model, gpu_type, share):
        asked.append((model, gpu_type, share))
        return False

    case = guest_run(1, table, fits=fits, horizon_s=100.0)
    assert len(case.stays) == 0
    assert set(asked) == {("", "", 0.5)}


def test_surplus_gpus_of_a_replica_are_nobodys():
    """A replica of three GPUs holds two nodes; its fourth GPU takes no guest."""
    table = work((0, 9000, 3, "chat"), (0, 1000, 2), (0, 1000, 1), (0, 1000, 1))
    case = guest_run(2, table, levels=(), horizon_s=100.0)
    assert sorted(case.stays[["node", "gpu_mask"]].to_numpy().tolist()) == [[0, 3], [1, 1]]
    assert case.spent(0) == pytest.approx(
        {"useful": 3 * 0.4 * 100, "interference": 3 * 0.1 * 100, "stranded": 100}
    )


@pytest.mark.parametrize(
    ("policy", "goes"),
    [
        (Fill(kinds=("batch",)), False),
        (Fill(kinds=("batch", "training")), True),
        (Fill(qos=("spot",)), False),
        (Fill(least=0.41), False),
        (Fill(least=0.4), True),
    ],
)
def test_who_may_be_a_guest(policy, goes):
    table = work((0, 9000, 2, "chat"), (0, 100, 2))
    case = guest_run(1, table, policy, levels=(), horizon_s=1000.0)
    assert bool(len(case.stays)) == goes


def test_patience():
    table = work((0, 9000, 2, "chat"), (5, 100, 2))
    case = guest_run(1, table, Fill(patience_s=60.0), levels=(), horizon_s=1000.0)
    assert case.stays["start_s"].tolist() == [65]
    assert case.jobs["wait_s"][1] == 60


def test_a_guest_leaves_a_gap_that_has_become_too_narrow():
    """At 200 s, as soon as it has saved, though it finds no other place."""
    table = work((0, 9000, 2, "chat"), (0, 1000, 2))
    services = {"chat": [(0.0, 0.2), (200.0, 0.7), (500.0, 0.2)]}
    policy = Fill(least=0.3, leaves_below=0.3)
    case = guest_run(1, table, policy, services=services, horizon_s=9000.0)
    assert case.stays["start_s"].tolist() == [0, 500]
    assert case.stays["end_s"].tolist()[0] == 210
    assert case.jobs["preemptions"].tolist() == [0, 1]
    assert "lost" not in case.spent(1)


def test_a_guest_that_never_gets_anywhere_is_one_no_more():
    """It loses all each time that its host fails, every 40 s; ten times are enough."""
    table = work((0, 9000, 2, "chat"), (0, 1000, 2))
    case = guest_run(1, table, incidents=[down(40.0 * k, 0, lasts_s=1.0) for k in range(1, 41)],
                     restart_s=0.0, horizon_s=3000.0)  # fmt: skip
    assert len(case.stays) == 10


def test_policies_that_ask_for_nonsense():
    table = work((0, 9000, 2, "chat"), (0, 9000, 2), (0, 1000, 2), (0, 1000, 3))

    @dataclass(frozen=True)
    class Odd(GuestPolicy):
        what: str

        def lodge(self, view):
            gap = next(iter(view.gaps()), None)
            if gap is None:
                return
            small, large = view.waiting()
            if self.what == "too large":
                yield Lodge(large, gap)
            elif self.what == "twice":
                yield Lodge(small, gap)
                yield Lodge(small, gap)
            elif self.what == "no guest":
                yield Preempt(small)
            elif self.what == "past":
                yield Wake(view.now_s)
            elif self.what == "nonsense":
                yield small
            elif self.what == "restless":
                yield Wake(view.now_s + 1e-6)
            elif self.what == "slow":
                while True:
                    pass
            elif self.what == "exit":
                raise SystemExit
            else:
                raise ValueError("oh")

    for what, told in (
        ("too large", "finds no room"),
        ("twice", "which does not wait"),
        ("no guest", "which is no guest"),
        ("past", "which is not ahead"),
        ("nonsense", "which is no decision"),
        ("raises", "Odd raised ValueError: oh, at 0 s"),
        ("exit", "Odd raised SystemExit"),
        ("restless", "10000th time in 10 s"),
        ("slow", "Odd takes more than 0.2 s to decide"),
    ):
        simulation = Simulation(
            *(hall(2), table, Fifo(), BestFit()),
            hosting=hosting(table, Odd(what), chat=0.4),
            decision_limit_s=0.2,
        )
        with pytest.raises(PolicyError, match=told):
            simulation.run(100.0)


def test_figures_of_guests():
    """As in the first test: lent for 4000 s are 0.6 of two GPUs, for 1000 s half of them."""
    table = work((0, 10_000, 2, "chat"), (0, 400, 2), (4000, 10, 4))
    told = hosting(table, chat=0.4)
    simulation = Simulation(
        hall(2), table, Fifo(), BestFit(), reliability=nothing_fails(), hosting=told
    )
    tables = outcome(simulation.run(5000.0), table, hall(2))
    assert tables.jobs["guest_fraction"].tolist() == [0, 0, 0]  # there is a node for each
    table = work((0, 10_000, 2, "chat"), (0, 10_000, 2), (0, 400, 2), (4000, 10, 3))
    told = hosting(table, chat=0.4)
    simulation = Simulation(
        hall(2), table, Fifo(), BestFit(), reliability=nothing_fails(), hosting=told
    )
    tables = outcome(simulation.run(5000.0), table, hall(2))
    found = guests(tables)
    assert found == {
        "jobs": 1,
        "stays": 1,
        "mean_stay_s": 1000,
        "lent_gpu_s": pytest.approx(2 * (0.6 * 4000 + 0.5 * 1000)),
        "guest_gpu_s": pytest.approx(1000),
        "filled_share": pytest.approx(1000 / (2 * (0.6 * 4000 + 0.5 * 1000))),
        "harm_gpu_s": pytest.approx(2 * 0.1 * 1000),
        "lent_by_service_gpu_s": {"chat": pytest.approx(2 * (0.6 * 4000 + 0.5 * 1000))},
    }
    # A job of three GPUs waits from 4000 s on: what it cannot use of the gaps is stranded.
    told = scheduling(tables, hall(2))["stranded_gpu_s"]
    assert told["gaps"] == pytest.approx(2 * 0.6 * 1000)
    assert sum(told.values()) == pytest.approx(tables.gpu_time["stranded"])
    assert tables.jobs["queued_s"].tolist() == [0, 0, 0, 1000]
    series = tables.domains[tables.domains["quantity"] == "guest_gpus"]
    width_s = np.diff(series["time_s"], append=5000.0)
    assert series["value"] @ width_s == pytest.approx(2 * 1000)


def test_power_of_a_divided_gpu():
    """Host and guest draw as if each had its part of the GPUs alone; the ledger balances."""
    scenario = """
name: divided
horizon: 10 h
site: {pools: [{name: main, node: dgx-h100, nodes: 1}]}
workload:
  services:
    - name: chat
      gpus: 8
      replicas: {steps: [[0 h, 1]]}
      busy: 0.25
      guests: {memory: 0.5, harm: 0, cost: 0}
  jobs: [{name: tune, gpus: 8, run: 30 h, count: 1}]
power: {}
policies: {guests: fill}
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "divided.yaml"
        path.write_text(scenario)
        shares = {}
        for policy in ("fill", "never"):
            told = twin.run(twin.load(path, [f"policies.guests={policy}"]), report=False)
            energy = told.summary["ledgers"]["energy"]["shares"]
            shares[policy] = energy
            gpu_time = told.summary["ledgers"]["gpu_time"]["shares"]
            assert sum(gpu_time.values()) == pytest.approx(8 * 36_000)
        alone = ["workload.services=[]", "policies.guests=never"]
        training_j = twin.run(twin.load(path, alone), report=False).summary["ledgers"]["energy"][
            "shares"
        ]["useful"]
        serving_j = shares["never"]["useful"]
        assert shares["fill"]["useful"] == pytest.approx(serving_j + 0.75 * training_j, rel=1e-9)
        # Without a guest three quarters of each GPU rest, stranded because a job waits.
        idle_w = twin_catalog_idle_w()
        assert shares["never"]["stranded"] == pytest.approx(8 * 36_000 * 0.75 * idle_w)
        assert shares["fill"]["stranded"] == pytest.approx(0, abs=1e-3)


def twin_catalog_idle_w():
    return parts.gpu("h100-sxm").idle_w
