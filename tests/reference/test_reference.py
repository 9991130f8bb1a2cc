"""The reference scheduler itself: worked by hand, and the pruned EASY against the literal one."""

import hashlib
import json
import random
import struct
from pathlib import Path

import pytest
from gang_scheduler import FirstMatch, easy, easy_literal, fifo, place, queue_order
from philly import TRACE, philly_jobs

EASIES = pytest.mark.parametrize("any_easy", [easy, easy_literal])
POLICIES = pytest.mark.parametrize("policy", [fifo, easy, easy_literal])
LONG = 1000

# (submit, nodes, run); shared/reference/scheduling.md, section 5
WORKED = [(0, 4, 10), (0, 3, 6), (1, 6, 8), (2, 2, 4), (3, 1, 12), (4, 3, 2)]


@pytest.mark.parametrize(
    ("policy", "starts", "mean_wait", "mean_jct", "mean_bsld", "makespan", "utilisation"),
    [
        (fifo, [0, 0, 10, 10, 14, 18], 7.0, 14.0, 1.403, 26, 0.635),
        (easy, [0, 0, 10, 6, 3, 18], 4.5, 11.5, 1.217, 20, 0.825),
        (easy_literal, [0, 0, 10, 6, 3, 18], 4.5, 11.5, 1.217, 20, 0.825),
    ],
)
def test_worked_example(policy, starts, mean_wait, mean_jct, mean_bsld, makespan, utilisation):
    """With one GPU a node, a job of n GPUs is a job of n nodes."""
    assert policy(WORKED, 8, gpus_per_node=1) == starts
    n = len(WORKED)
    jct = [start + run - submit for start, (submit, _, run) in zip(starts, WORKED, strict=True)]
    runs = [run for _, _, run in WORKED]
    assert sum(jct) / n == mean_jct
    assert (sum(jct) - sum(runs)) / n == mean_wait
    bounded = [max(1, t / max(run, 10)) for t, run in zip(jct, runs, strict=True)]
    assert sum(bounded) / n == pytest.approx(mean_bsld, abs=5e-4)
    assert max(start + run for start, run in zip(starts, runs, strict=True)) == makespan
    used = sum(nodes * run for _, nodes, run in WORKED)
    assert used / (8 * makespan) == pytest.approx(utilisation, abs=5e-4)


@pytest.mark.parametrize(
    ("free", "gpus", "placement"),
    [
        ([8, 3, 2, 2], 2, {2: 2}),  # the fewest that suffice, then the lowest id
        ([8, 3, 2, 2], 3, {1: 3}),
        ([8, 8, 3], 4, {0: 4}),
        ([7, 7, 7], 8, None),  # never over two nodes
        ([7, 8, 0, 8, 8], 9, {1: 8, 3: 8}),  # two wholly free nodes, whole, lowest ids
        ([7, 8, 0, 8, 8], 24, {1: 8, 3: 8, 4: 8}),
        ([7, 8, 0, 8, 8], 25, None),
    ],
)
def test_place(free, gpus, placement):
    assert place(free, gpus, 8) == placement


@POLICIES
def test_queue_order_keeps_ties_as_given(policy):
    jobs = [(5, 8, 1), (0, 8, 3), (0, 8, 2), (5, 8, 4)]
    assert queue_order(jobs) == [(0, 8, 3), (0, 8, 2), (5, 8, 1), (5, 8, 4)]
    assert policy(jobs, 1) == [0, 3, 5, 6]


@POLICIES
def test_gpus_freed_at_an_instant_serve_an_arrival_of_that_instant(policy):
    assert policy([(0, 8, 10), (10, 8, 1)], 1) == [0, 10]


@POLICIES
def test_a_large_job_strands_what_it_did_not_ask_for(policy):
    # 9 GPUs take two nodes whole, so that the one node left holds the 8, and the 1 must wait.
    assert policy([(0, 9, 10), (0, 8, 12), (1, 1, 1)], 3) == [0, 0, 10]


@POLICIES
def test_best_fit_keeps_a_node_whole(policy):
    # 4 on node 0, 5 on node 1, then 3 beside the 5 (3 free there, 4 on node 0), then 4 beside
    # the 4. Any other choice for the 3 or the 4 would keep the 8 from node 2.
    jobs = [(0, 4, LONG), (0, 5, LONG), (0, 3, LONG), (0, 4, LONG), (1, 8, 1)]
    assert policy(jobs, 3) == [0, 0, 0, 0, 1]


@POLICIES
def test_ties_of_best_fit_go_to_the_lowest_id(policy):
    # Both nodes have 3 free. The 3 goes to node 0, so that node 1 is whole at 20; on node 1 it
    # would leave node 0 to be whole at 10.
    assert policy([(0, 5, 10), (0, 5, 20), (1, 3, 30), (2, 8, 1)], 2) == [0, 0, 1, 20]


@POLICIES
def test_a_large_job_takes_the_lowest_ids(policy):
    # The 16 takes nodes 0 and 1, so the 8 node 2. The first 5 goes to node 0, the second to node 1,
    # the second 8 to node 2, the 3 to node 0, and node 1 is whole at 40. Had the 16 taken nodes 1
    # and 2, the 5s would have come the other way round: the 3 on node 0 again, node 1 whole at 110.
    jobs = [(0, 16, 10), (0, 8, 20), (10, 5, 100), (20, 5, 20), (20, 8, LONG), (21, 3, LONG)]
    assert policy([*jobs, (22, 8, 1)], 3) == [0, 0, 10, 20, 20, 21, 40]


def test_fifo_stops_at_the_first_that_does_not_fit():
    assert fifo([(0, 4, 10), (1, 8, 5), (2, 1, 1)], 1) == [0, 10, 15]


@EASIES
def test_easy_backfills_what_ends_at_the_shadow_time(any_easy):
    # The 8 waits for the shadow time 10: a job from 2 to 10 starts, one from 2 to 11 does not.
    assert any_easy([(0, 4, 10), (1, 8, 5), (2, 1, 8)], 1) == [0, 10, 2]
    assert any_easy([(0, 4, 10), (1, 8, 5), (2, 1, 9)], 1) == [0, 10, 15]


@EASIES
def test_all_that_ends_by_the_shadow_time_is_released(any_easy):
    # Two jobs end at 10. The head (5) fits with one of them gone, and with both gone there is room
    # beside it for a long job of 3, but not for one of 4.
    first = [(0, 4, 10), (0, 1, 10)]
    assert any_easy([*first, (1, 5, 20), (2, 3, LONG)], 1) == [0, 0, 10, 2]
    assert any_easy([*first, (1, 5, 20), (2, 3, LONG), (2, 1, LONG)], 1)[:4] == [0, 0, 10, 2]
    assert any_easy([*first, (1, 6, 20), (2, 3, LONG)], 1) == [0, 0, 10, 30]


@EASIES
def test_long_backfill_is_taken_out_of_the_projection(any_easy):
    # The head (6) leaves 2 GPUs at the shadow time 10: one long job of 2, not another of 1; a
    # short one still fits.
    jobs = [(0, 4, 10), (1, 6, 20), (2, 2, LONG), (2, 1, LONG), (2, 1, 3)]
    assert any_easy(jobs, 1) == [0, 10, 2, 30, 2]


# Three nodes with 2, 3 and 4 free GPUs; the head (8) waits for node 1, whole at 10.
THREE = [(0, 6, LONG), (0, 5, 10), (0, 4, LONG), (1, 8, 50)]


@EASIES
def test_no_second_placement_is_tried(any_easy):
    # At 2: 1 on node 0; 2 would go to node 1 (best fit) and keep the head from it, although it
    # would fit on node 2; 3 likewise; 4 goes to node 2.
    jobs = [*THREE, (2, 1, LONG), (2, 2, LONG), (2, 3, LONG), (2, 4, LONG)]
    assert any_easy(jobs, 3) == [0, 0, 0, 10, 2, 60, 60, 2]


@EASIES
def test_the_sweep_does_not_turn_back(any_easy):
    # At 2 the long 2 falls for node 1 (1 went to node 0). Then a short 2 takes it, so that the
    # long 2 would go to node 2; but the sweep has passed it, and takes up a later one like it.
    # The next instant with an event, the arrival at 3, starts it.
    jobs = [*THREE, (2, 1, LONG), (2, 2, LONG), (2, 2, 8), (2, 2, LONG), (3, 8, 1)]
    assert any_easy(jobs, 3) == [0, 0, 0, 10, 2, 3, 2, 2, 60]
    # Without that arrival the first event is the completion at 10, where the head takes node 1.
    assert any_easy(jobs[:-1], 3) == [0, 0, 0, 10, 2, 10, 2, 2]


@EASIES
def test_one_reservation_only(any_easy):
    # The head (5) leaves 3 GPUs at 10, where the second in the queue (3) could start too. It has no
    # reservation: a long 1 that does not delay the head delays it.
    assert any_easy([(0, 6, 10), (1, 5, 10), (1, 3, 5), (2, 1, LONG)], 1) == [0, 10, 20, 2]


@EASIES
def test_large_head(any_easy):
    # The head takes two nodes. Nodes 0, 1 and 2 have 1, 1 and 2 free GPUs and are whole at 10, 20
    # and 30: the shadow time is 20. The long 2 goes to node 2, which is not needed. Then the long 1
    # goes to node 0 by best fit, which is needed, or at 10 to node 1: it waits for the head's end.
    jobs = [(0, 7, 10), (0, 7, 20), (0, 6, 30), (1, 12, 5), (2, 2, LONG), (3, 1, LONG)]
    assert any_easy(jobs, 3) == [0, 0, 0, 20, 2, 25]


@EASIES
def test_estimates_are_for_the_projection_and_run_times_for_the_ends(any_easy):
    jobs = [(0, 1, 10), (1, 2, 5), (5, 1, 3)]
    assert any_easy(jobs, 2, gpus_per_node=1) == [0, 10, 5]
    # Past its estimate of 4, the first is projected to end now, so the shadow time is 5.
    assert any_easy(jobs, 2, gpus_per_node=1, estimates=[4, 5, 3]) == [0, 10, 15]
    # The third is thought to be gone by the shadow time 10, and delays the head.
    jobs = [(0, 1, 10), (1, 2, 5), (5, 1, 20)]
    assert any_easy(jobs, 2, gpus_per_node=1, estimates=[10, 5, 5]) == [0, 25, 5]


@EASIES
def test_all_past_their_estimates_are_released_at_once(any_easy):
    # At 6 the two 3s are past their estimates of 2 and 4, so both are projected to end now: the
    # head (5) leaves 3 GPUs, and the long 2 starts.
    jobs = [(0, 3, 20), (0, 3, 20), (5, 5, 9), (6, 2, LONG)]
    assert any_easy(jobs, 1, estimates=[2, 4, 9, LONG]) == [0, 0, 20, 6]


@EASIES
def test_passing_an_estimate_is_not_an_instant(any_easy):
    # At 1 the shadow time is 20, and the 1 with an estimate of 30 must wait; that the first ends
    # at 12 is an event, that its estimate of 20 is over (in the second case: of 4) is none.
    jobs = [(0, 1, 12), (1, 2, 5), (1, 1, 30)]
    assert any_easy(jobs, 2, gpus_per_node=1, estimates=[20, 5, 30]) == [0, 12, 17]
    assert any_easy(jobs, 2, gpus_per_node=1, estimates=[4, 5, 30]) == [0, 12, 17]


@POLICIES
@pytest.mark.parametrize("job", [(0, 17, 1), (0, 0, 1), (0, 1, 0), (0, 1, float("inf"))])
def test_impossible_jobs_are_refused(policy, job):
    with pytest.raises(ValueError, match="job 0"):
        policy([job], 2)


@EASIES
def test_estimates_are_checked(any_easy):
    with pytest.raises(ValueError, match="one estimate per job"):
        any_easy([(0, 1, 1)], 1, estimates=[])
    with pytest.raises(ValueError, match="estimated at -1"):
        any_easy([(0, 1, 1)], 1, estimates=[-1])


def random_case(seed):
    """Small, crowded and full of ties; every third with fractions of a second."""
    rng = random.Random(seed)
    size = rng.choice([1, 2, 4, 8, 8])
    n_nodes = rng.randint(1, 7)
    sizes = [g for g in (1, 1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 24) if g <= size * n_nodes]
    span = rng.choice([0, 10, 60, 200])
    step = rng.choice([1, 1, 0.1])
    jobs = [
        (
            rng.randint(0, span) * step,
            rng.choice(sizes),
            (rng.randint(1, 60) if rng.random() < 0.3 else rng.randint(1, 8)) * step,
        )
        for _ in range(rng.randint(1, 60))
    ]
    estimates = None
    if rng.random() < 0.5:
        runs = [run for _, _, run in queue_order(jobs)]
        estimates = [max(0, run + rng.randint(-4, 9) * step) for run in runs]
    return jobs, n_nodes, size, estimates


def test_pruned_easy_is_the_literal_one_on_random_cases():
    backfilled = 0
    for seed in range(600):
        case = random_case(seed)
        starts = easy_literal(*case)
        assert easy(*case) == starts, f"seed {seed}"
        backfilled += starts != fifo(*case[:3])
    assert backfilled > 300  # the cases are not trivial


def test_schedules_hold_together():
    """No job before its submit time, never more GPUs than there are, FIFO in queue order."""
    for seed in range(150):
        jobs, n_nodes, size, estimates = random_case(seed)
        ordered = queue_order(jobs)
        for starts in (fifo(jobs, n_nodes, size), easy(jobs, n_nodes, size, estimates)):
            assert all(s >= job[0] for s, job in zip(starts, ordered, strict=True))
            for now in starts:
                in_use = sum(
                    gpus
                    for s, (_, gpus, run) in zip(starts, ordered, strict=True)
                    if s <= now < s + run
                )
                assert in_use <= n_nodes * size
        in_order = fifo(jobs, n_nodes, size)
        assert in_order == sorted(in_order)


def test_first_match():
    rng = random.Random(1)
    for n in (1, 2, 5, 8, 13):
        tree, numbers = FirstMatch(n), [float("inf")] * n
        for _ in range(200):
            rank, number = rng.randrange(n), rng.choice([1, 2, 3, float("inf")])
            tree.put(rank, number)
            numbers[rank] = number
            start, limit = rng.randrange(n + 1), rng.randint(0, 3)
            wanted = [i for i in range(start, n) if numbers[i] <= limit]
            assert tree.first(start, lambda x, limit=limit: x <= limit) == (
                wanted[0] if wanted else None
            )
            assert tree.any() == any(x < float("inf") for x in numbers)


needs_trace = pytest.mark.skipif(not TRACE.exists(), reason=f"{TRACE} is not here")


@needs_trace
def test_philly_loader():
    jobs = philly_jobs()
    assert len(jobs) == 82_247
    # The file's first row, 2017-10-09 07:01:55, from the earliest, 2017-09-04 10:30:41.
    assert jobs[0] == (35 * 86_400 - (3 * 3600 + 28 * 60 + 46), 1, 66.0)
    # The last, 2017-12-22 08:02:11, likewise.
    assert max(jobs)[0] == 109 * 86_400 - (2 * 3600 + 28 * 60 + 30)
    assert min(jobs)[0] == 0.0
    assert max(gpus for _, gpus, _ in jobs) == 128
    assert len(jobs) - len(set(jobs)) >= 65
    assert sum(gpus == 1 for _, gpus, _ in jobs) / len(jobs) == pytest.approx(0.93, abs=0.005)


@needs_trace
def test_pruned_easy_is_the_literal_one_on_a_stretch_of_philly():
    """Real sizes and run times, on a cluster small enough for a long queue."""
    jobs = [(submit, min(gpus, 48), run) for submit, gpus, run in queue_order(philly_jobs())]
    stretch = jobs[20_000:21_500]
    starts = easy(stretch, 8)
    assert starts == easy_literal(stretch, 8)
    assert sum(s > job[0] for s, job in zip(starts, stretch, strict=True)) > 500


@needs_trace
def test_golden_without_a_queue_is_the_submit_times():
    golden = json.loads(Path(__file__).with_name("philly_starts.json").read_text())
    submits = [submit for submit, _, _ in queue_order(philly_jobs())]
    digest = hashlib.sha256(struct.pack(f"<{len(submits)}d", *submits)).hexdigest()
    for policy in ("fifo", "easy"):
        assert golden["312"][policy]["waiting_jobs"] == 0
        assert golden["312"][policy]["starts_sha256"] == digest


@needs_trace
@pytest.mark.slow
@pytest.mark.parametrize("n_nodes", [96, 64, 312])
@pytest.mark.parametrize("policy", [fifo, easy])
def test_golden(policy, n_nodes):
    golden = json.loads(Path(__file__).with_name("philly_starts.json").read_text())
    starts = policy(philly_jobs(), n_nodes)
    digest = hashlib.sha256(struct.pack(f"<{len(starts)}d", *starts)).hexdigest()
    assert golden[str(n_nodes)][policy.__name__]["starts_sha256"] == digest
