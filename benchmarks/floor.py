"""Floors: bare SimPy loops over the arrivals and ends of a trace, which do nothing else."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Sequence

from simpy import Environment, Event


def floor_s(submit_s: Sequence[float], run_s: Sequence[float], events: int) -> float:
    """CPU time of a bare loop over the same arrivals and ends. [s]

    One process walks the distinct arrival times, and each job is one timeout from its submit: the
    events that `twin` fires, at the times that they would have if nobody ever waited.
    """
    env = Environment()
    fired = 1  # the process's own start

    def count(event: Event) -> None:
        nonlocal fired
        fired += 1

    def arrivals() -> Generator[Event, None, None]:
        nonlocal fired
        now_s = -1.0
        for at_s, lasts_s in zip(submit_s, run_s, strict=True):
            if at_s != now_s:
                yield env.timeout(at_s - env.now)
                fired += 1
                now_s = at_s
            env.timeout(lasts_s).callbacks.append(count)

    gc.collect()
    started = time.process_time()
    env.process(arrivals())
    env.run()
    taken = time.process_time() - started
    # The end of the arrivals' process is an event of SimPy's that nobody listens to.
    assert fired + 1 == events, (fired + 1, events)
    return taken


def process_floor_s(submit_s: Sequence[float], run_s: Sequence[float]) -> float:
    """CPU time of the same with one process a job, the way that SimPy's own examples go. [s]

    It fires three events a job besides the arrivals: twice as many as `twin`.
    """
    env = Environment()

    def job(lasts_s: float) -> Generator[Event, None, None]:
        yield env.timeout(lasts_s)

    def arrivals() -> Generator[Event, None, None]:
        now_s = -1.0
        for at_s, lasts_s in zip(submit_s, run_s, strict=True):
            if at_s != now_s:
                yield env.timeout(at_s - env.now)
                now_s = at_s
            env.process(job(lasts_s))

    gc.collect()
    started = time.process_time()
    env.process(arrivals())
    env.run()
    return time.process_time() - started


def timeouts_s(events: int) -> float:
    """CPU time of so many timeouts, a thousand pending at a time, that nobody listens to. [s]"""
    env = Environment()
    gc.collect()
    started = time.process_time()
    for number in range(events):
        env.timeout(number % 1000)
        if number % 1000 == 999:
            env.run()
    env.run()
    return time.process_time() - started
