"""Write philly_starts.json: FIFO and EASY of the reference on the whole Philly trace.

    python tests/reference/make_philly_starts.py [path of philly.csv.gz]

`starts_sha256` is of the start times in queue order, in s from the first submit, as little-endian
float64. `max_queue` is the longest queue after a pass of the scheduler. `runtime_s` depends on the
machine and is there for information.
"""

import hashlib
import json
import struct
import sys
import time
from pathlib import Path

from gang_scheduler import easy, fifo, queue_order
from philly import TRACE, philly_jobs


def max_queue(submits, starts):
    """The most jobs submitted and not started at an instant, once all its starts are counted."""
    steps = {}
    for submit in submits:
        steps[submit] = steps.get(submit, 0) + 1
    for start in starts:
        steps[start] = steps.get(start, 0) - 1
    length = longest = 0
    for instant in sorted(steps):
        length += steps[instant]
        longest = max(longest, length)
    return longest


def summary(policy, jobs, n_nodes):
    began = time.perf_counter()
    starts = policy(jobs, n_nodes)
    runtime = time.perf_counter() - began
    ordered = queue_order(jobs)
    waits = [start - submit for start, (submit, _, _) in zip(starts, ordered, strict=True)]
    return {
        "jobs": len(starts),
        "waiting_jobs": sum(wait > 0 for wait in waits),
        "mean_wait_s": sum(waits) / len(waits),
        "max_queue": max_queue([submit for submit, _, _ in ordered], starts),
        "makespan_s": max(s + run for s, (_, _, run) in zip(starts, ordered, strict=True)),
        "starts_sha256": hashlib.sha256(struct.pack(f"<{len(starts)}d", *starts)).hexdigest(),
        "runtime_s": round(runtime, 1),
    }


def main():
    jobs = philly_jobs(*sys.argv[1:2] or [TRACE])
    result = {
        n_nodes: {policy.__name__: summary(policy, jobs, n_nodes) for policy in (fifo, easy)}
        for n_nodes in (96, 64, 312)
    }
    text = json.dumps(result, indent=2) + "\n"
    Path(__file__).with_name("philly_starts.json").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
