"""What a scheduler does wrong is one message that names it, the job and the time."""

from textwrap import dedent

import pytest
from schedulers_case import hall, play, work

from twin.errors import PolicyError
from twin.kernel.simulation import Simulation
from twin.policies.base import Scheduler
from twin.policies.decisions import Preempt, Start, Wake
from twin.policies.placements.best_fit import BestFit

JOBS = work((0, 100, 2), (10, 5, 1), (20, 5, 1), (20, 5, 2), (20, 5, 4), pool=["p0"] * 5)
SITE = hall(2, 2, (1, 2))


class Wrong(Scheduler):
    """FIFO that does one thing wrong at 20 s."""

    preempts = True

    def __init__(self, wrong):
        self.wrong = wrong

    def choose(self, queue, cluster):
        if cluster.now_s == 20:
            yield from self.wrong(queue, cluster)
        while queue.head is not None and cluster.fits(queue.head.shape):
            yield queue.head


class Mild(Wrong):
    """It may not preempt."""

    preempts = False


def raises(queue, cluster):
    raise KeyError("lost")
    yield


def first(queue, gpus):
    return next(job for job in queue if job.gpus == gpus)


CASES = {
    "raises": (raises, r"raised KeyError: 'lost', at 20 s"),
    "yields garbage": (lambda q, c: ["a job"], r"a job at 20 s, which is no job and no decision"),
    "yields nothing at all": (lambda q, c: [None], r"None at 20 s, which is no job"),
    "starts what runs": (lambda q, c: [c.running[0]], r"Job\(row=0.* at 20 s, which does not wait"),
    "starts again what runs": (lambda q, c: [Start(c.running[0])], r"row=0.* which does not wait"),
    "preempts what waits": (lambda q, c: [Preempt(q.head)], r"row=2.* at 20 s.* does not run"),
    "starts what does not fit": (lambda q, c: [first(q, 4)], r"row=4.* at 20 s.* does not fit"),
    "more than it can use": (lambda q, c: [Start(q.head, 2)], r"row=2.* with 2 GPUs; it can use"),
    "fewer than it can use": (
        lambda q, c: [Start(first(q, 2), 1)], r"row=3.* with 1 GPUs; it can use 2 to 2"
    ),
    "fewer than none": (lambda q, c: [Start(q.head, -1)], r"row=2.* with -1 GPUs"),
    "a pool that there is not": (lambda q, c: [Start(q.head, pool=7)], r"row=2.* in pool 7"),
    "a busy place": (lambda q, c: [Start(q.head, at=[(0, 1)])], r"row=2.* are not free"),
    "too small a place": (lambda q, c: [Start(first(q, 2), at=[(1, 1)])], r"row=3.* not free"),
    "a node that there is not": (lambda q, c: [Start(q.head, at=[(99, 1)])], r"row=2.* not free"),
    "a node below 0": (lambda q, c: [Start(q.head, at=[(-1, 1)])], r"row=2.* not free"),
    "a place of another pool": (
        lambda q, c: [Start(first(q, 2), at=[(2, 2)])], r"row=3.* not in one pool"
    ),
    "a place that is none": (lambda q, c: [Start(q.head, at=["x"])], r"at 20 s"),
    "no job": (lambda q, c: [Start(3)], r"3.* at 20 s"),
    "preempts no job": (lambda q, c: [Preempt(None)], r"None.* at 20 s"),
    "asks for the past": (lambda q, c: [Wake(3.0)], r"asked again at 3.* s at 20 s, .* not ahead"),
    "asks for now": (lambda q, c: [Wake(20.0)], r"at 20 s, which is not ahead"),
    "asks for no time": (lambda q, c: [Wake(float("nan"))], r"at 20 s, which is not ahead"),
    "no number": (lambda q, c: [Wake("soon")], r"at 20 s"),
    "starts one twice": (lambda q, c: [q.head] * 2, r"row=2.* at 20 s, which does not wait"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_with_policy_job_and_time(case):
    wrong, said = CASES[case]
    with pytest.raises(PolicyError, match=rf"Wrong .*{said}"):
        play(SITE, JOBS, Wrong(wrong))


@pytest.mark.parametrize("decision", [Start, Preempt])
def test_who_does_not_say_that_it_preempts_may_not(decision):
    of = {Start: lambda q, c: [Start(q.head)], Preempt: lambda q, c: [Preempt(c.running[0])]}
    with pytest.raises(PolicyError, match=r"Mild chose .* at 20 s.*without saying preempts = True"):
        play(SITE, JOBS, Mild(of[decision]))


def test_a_scheduler_that_loops_for_ever_is_stopped():
    def loops(queue, cluster):
        while True:
            len(queue)
        yield

    simulation = Simulation(SITE, JOBS, Wrong(loops), BestFit(), decision_limit_s=0.5)
    with pytest.raises(PolicyError, match=r"Wrong takes more than 0.5 s to decide at 20 s"):
        simulation.run()


def test_a_scheduler_that_yields_for_ever_is_stopped():
    def wakes(queue, cluster):
        while True:
            yield Wake(cluster.now_s + 1)

    simulation = Simulation(SITE, JOBS, Wrong(wakes), BestFit(), decision_limit_s=0.5)
    with pytest.raises(PolicyError, match=r"Wrong takes more than 0.5 s to decide at 20 s"):
        simulation.run()


BAD = {
    "raises": "raise ZeroDivisionError('by hand')",
    "garbage": "yield 42",
    "preempts": "from twin.policies.decisions import Preempt; yield Preempt(queue.head)",
    "loops": "while True: pass",
}


@pytest.mark.parametrize("bad", BAD)
def test_from_the_command_line_it_is_one_message_and_nothing_is_left(
    small, cli, tmp_path, plugins, bad
):
    (tmp_path / "mine.py").write_text(
        dedent(f"""\
        from dataclasses import dataclass
        from twin.policies.base import Scheduler
        from twin.registry import policy

        @policy("{bad}")
        @dataclass(frozen=True, kw_only=True)
        class Mine(Scheduler):
            def choose(self, queue, cluster):
                if cluster.now_s >= 2:
                    {BAD[bad]}
                while queue.head is not None and cluster.fits(queue.head.shape):
                    yield queue.head
        """)
    )
    limit = ["--set", "policies.decision_limit=1 s"]
    path = small(scheduler=bad)
    result = cli("run", path, "-o", "out", "--plugin", "mine.py", *limit)
    assert result.exit_code == 2, result.output
    assert "Mine" in result.output and " at 2 s" in result.output
    assert "Traceback" not in result.output
    left = list((tmp_path / "out").rglob("*")) if (tmp_path / "out").exists() else []
    assert [path for path in left if path.is_file()] == []
