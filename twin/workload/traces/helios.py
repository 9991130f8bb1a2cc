"""Job logs of Helios (SenseTime) and Acme (Seren and Kalos, Shanghai AI Lab)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc

from twin.registry import reader
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.delimited import read_delimited
from twin.workload.traces.rows import local_epoch

COLUMNS = (
    *("job_id", "user", "vc", "type", "state", "gpu_num", "cpu_num", "node_num", "mem_per_pod_GB"),
    *("submit_time", "start_time", "end_time", "duration"),
)


@reader("helios")
def read(source: Source) -> Workload:
    """Jobs of Slurm and Kubernetes logs in the columns of Helios; group is the virtual cluster.

    Notes
    -----
    The duration is end - start: in Kalos the column ``duration`` includes the wait. Acme has no
    virtual clusters; group is its workload ``type`` there. Jobs without GPUs are dropped as
    ``cpu_only``, those that were cancelled in the queue as ``never_ran``, those that have not ended
    as ``unfinished``.

    Sources
    -------
    [helios2021], [acmetrace2024]: the descriptions that accompany the data, section "Schema".
    """
    rows = read_delimited(source.path, skip_bad=source.skip_bad, wanted=COLUMNS)
    rows.require("gpu_num", "submit_time", "start_time", "end_time")
    gpus = rows.numbers("gpu_num")
    submit_s, start_s, end_s = (
        rows.times_s(name) for name in ("submit_time", "start_time", "end_time")
    )
    rows.drop(rows.blank("start_time"), "never_ran")
    rows.drop(gpus == 0, "cpu_only")
    rows.drop(rows.blank("end_time"), "unfinished")
    rows.refuse(end_s < start_s, "ends before it starts", "start_time", "end_time")
    rows.refuse(start_s < submit_s, "starts before its submit", "submit_time", "start_time")
    run_s = end_s - start_s
    columns: dict[str, Any] = {"submit_s": submit_s, "run_s": run_s, "gpus": gpus}
    if "state" in rows:
        cancelled = pc.match_substring(rows.text("state"), "CANCEL")
        rows.drop((run_s == 0) & np.asarray(cancelled.to_numpy(zero_copy_only=False)), "never_ran")
    if "duration" in rows:
        differ = rows.kept() & (np.abs(rows.numbers("duration") - run_s) > 1)
        if differ.any():
            rows.note(
                f"{int(differ.sum())} jobs state a duration that is not end - start; "
                "end - start is used."
            )
    for ours, theirs in (("job_id", "job_id"), ("user", "user")):
        if theirs in rows:
            columns[ours] = rows.text(theirs)
    for group in ("vc", "type"):
        if group in rows:
            columns["group"] = rows.text(group)
            break
    if "node_num" in rows:
        columns["nodes"] = rows.numbers("node_num")
    if "cpu_num" in rows:
        columns["cpus"] = rows.numbers("cpu_num")
    if "mem_per_pod_GB" in rows and "nodes" in columns:
        columns["memory_bytes"] = rows.numbers("mem_per_pod_GB") * 1e9 * columns["nodes"]
    return rows.workload(
        "helios",
        columns,
        shown={
            "submit_s": "submit_time",
            "run_s": "start_time, end_time",
            "gpus": "gpu_num",
            "nodes": "node_num",
            "cpus": "cpu_num",
            "memory_bytes": "mem_per_pod_GB",
        },
        epoch=local_epoch(rows),
    )
