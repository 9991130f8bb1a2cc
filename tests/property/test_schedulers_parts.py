"""What schedulers are told of the jobs, against naive recounts, whatever comes and goes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from schedulers_case import hall, made, play, preempting

from twin.kernel.slots import Slots
from twin.kernel.usage import Usage
from twin.policies.base import Scheduler
from twin.policies.labels import Waiting
from twin.policies.ranking import Ranking
from twin.workload.jobs import job_table


class Slot:
    """All of a job that slots look at."""

    def __init__(self, row, gpus, expected_end_s):
        self.row, self.gpus, self.expected_end_s = row, gpus, expected_end_s


steps = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 8), st.floats(0, 9)), max_size=150)


@settings(max_examples=60)
@given(steps)
def test_slots_hold_just_the_running_jobs(steps):
    slots, running = Slots(), {}
    for row, gpus, end_s in steps:
        if row not in running:
            running[row] = Slot(row, gpus, end_s)
            slots.add(running[row])
        elif gpus > 4:
            running[row].expected_end_s = end_s
            slots.expect_end(running[row])
        else:
            slots.remove(running.pop(row))
        n = len(slots.jobs)
        found = {int(slots.row[at]): (int(slots.gpus[at]), float(slots.end_s[at]))
                 for at in range(n)}  # fmt: skip
        assert found == {job.row: (job.gpus, job.expected_end_s) for job in running.values()}
        assert [job.row for job in slots.jobs] == slots.row[:n].tolist()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 8), st.integers(0, 5)), max_size=40))
def test_usage_is_the_integral_of_what_is_held(changes):
    codes = np.arange(10, dtype=np.int32) % 3
    usage, now_s = Usage(codes, ["a", "b", "c"], 2.0), 2.0
    held, attained = np.zeros(3), np.zeros(3)
    for row, gpus, later_s in changes:
        now_s += later_s
        attained += held * later_s
        held[codes[row]] += gpus
        usage.change(row, gpus, now_s)
        assert usage.held_gpus == held.tolist()
        np.testing.assert_allclose(usage.attained_gpu_s(now_s), attained)
        np.testing.assert_allclose(usage.attained_gpu_s(now_s + 3), attained + 3 * held)


class Recounts(Scheduler):
    """Another scheduler; at each decision all that it may ask is counted again, job by job."""

    def __init__(self, of, jobs):
        self.of, self.jobs = of, jobs
        self.preempts = of.preempts
        self.decisions = 0
        self.held_gpu_s = np.zeros(len(jobs))
        self.gpus = np.zeros(len(jobs), int)
        self.last_s = 0.0

    def choose(self, queue, cluster):
        self._recount(queue, cluster)
        ranked = isinstance(cluster.notes.get("ranking"), Ranking)
        for decision in self.of.choose(queue, cluster):
            yield decision
            self._recount(queue, cluster)
            self.decisions += 1
        if ranked and not queue.joined:
            ranking = cluster.notes["ranking"]
            there = ranking.rows[queue.still_waiting(ranking.rows)]
            assert sorted(there.tolist()) == [job.row for job in queue]
            order = np.lexsort((ranking.rows, ranking.keys))
            assert order.tolist() == list(range(len(order)))
        waiting = cluster.notes.get("waiting")
        if isinstance(waiting, Waiting) and not queue.joined:
            codes = cluster.usage(waiting._column).codes
            for label in list(waiting.labels()):
                mine = [job.row for job in queue if codes[job.row] == label]
                assert waiting.oldest(label, queue) == min(mine, default=None)

    def _recount(self, queue, cluster):
        jobs, now_s = self.jobs, cluster.now_s
        running = {job.row: job for job in cluster.running}
        assert queue.rows.tolist() == [job.row for job in queue]
        assert len(queue) == len(queue.rows)
        table, each = cluster.running_table()
        assert sorted(table.rows.tolist()) == sorted(running)
        assert [job.row for job in each] == table.rows.tolist() and table.running.all()
        assert table.held_gpus.tolist() == [job.gpus for job in each]
        assert table.gpus.tolist() == jobs["gpus"][table.rows].tolist()
        assert table.since_s.tolist() == [job.start_s for job in each]
        np.testing.assert_allclose(table.left_s, [job.left_s(now_s) for job in each])
        np.testing.assert_allclose(
            table.attained_gpu_s, [job.attained_gpu_s(now_s) for job in each]
        )
        waits = queue.table(queue.rows)
        assert not waits.running.any() and (waits.held_gpus == 0).all()
        assert waits.left_s.tolist() == [job.estimate_s for job in queue]
        assert waits.submit_s.tolist() == [job.submit_s for job in queue]
        assert [queue.shapes[at] for at in waits.shape_index] == [job.shape for job in queue]
        codes, names = waits.codes("user")
        assert [names[code] for code in codes] == [job.user for job in queue]
        usage = cluster.usage("user")
        held = dict.fromkeys(usage.names, 0)
        for job in running.values():
            held[job.user] += job.gpus
        assert usage.held_gpus == [held[name] for name in usage.names]


@settings(max_examples=60)
@given(st.sampled_from(["sjf", "qssf", "drf", *preempting()]), st.integers(0, 2**32))
def test_all_that_schedulers_are_told_is_so(name, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 25))
    jobs = job_table(
        {
            "submit_s": np.sort(rng.integers(0, 40, n)).astype(float),
            "run_s": rng.integers(1, 30, n).astype(float),
            "gpus": rng.choice([1, 2, 3, 4, 8], n),
            "user": rng.choice(["u", "v", "w"], n),
            "group": rng.choice(["a", "b", "c"], n),
            "qos": rng.choice(["", "low", "high"], n),
        }
    )
    more = {"gavel": {"round": "9 s"}, "sia": {"round": "9 s"}, "themis": {"round": "9 s"}}
    more |= {"time-slice": {"quantum": "5 s"}, "multifactor": {"qos": {"low": 1, "high": 2}}}
    more |= {"tiresias": {"thresholds_gpu_h": [0.003, 0.01]}}
    recounts = Recounts(made(name, **more.get(name, {})), jobs)
    record = play(hall(3, 4), jobs, recounts)
    assert not np.isnan(record.end_s).any()
    assert recounts.decisions >= n
