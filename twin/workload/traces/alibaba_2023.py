"""Pods of Alibaba's 2023 GPU cluster trace: ``openb_pod_list_*.csv``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from twin.registry import reader
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.delimited import read_delimited

COLUMNS = (
    *("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos"),
    *("creation_time", "deletion_time", "scheduled_time"),
)


@reader("alibaba-2023")
def read(source: Source) -> Workload:
    """Pods as jobs; group is the quality-of-service class; times have no calendar.

    Notes
    -----
    A pod runs from ``scheduled_time`` to ``deletion_time``. Many pods run on to the end of the
    snapshot, so their durations are lower bounds. ``gpu_spec``, the models that would do, become
    its GPU types.

    Sources
    -------
    [openb2023]
    """
    rows = read_delimited(source.path, skip_bad=source.skip_bad, wanted=COLUMNS)
    rows.require("num_gpu", "creation_time", "deletion_time", "scheduled_time")
    gpus = rows.numbers("num_gpu")
    created_s, scheduled_s, deleted_s = (
        rows.numbers(name) for name in ("creation_time", "scheduled_time", "deletion_time")
    )
    rows.may_lack_gpus = source.asked
    if not source.asked:
        rows.drop(rows.blank("scheduled_time"), "never_ran")
        rows.drop(gpus == 0, "cpu_only")
        rows.drop(rows.blank("deletion_time"), "unfinished")
    rows.refuse(
        scheduled_s < created_s, "starts before it was made", "creation_time", "scheduled_time"
    )
    rows.refuse(deleted_s < scheduled_s, "ends before it starts", "scheduled_time", "deletion_time")
    run_s = deleted_s - scheduled_s
    columns = {
        "submit_s": created_s,
        "run_s": np.nan_to_num(run_s) if source.asked else run_s,
        "gpus": gpus,
        "kind": pa.repeat("batch", len(rows)),
    }
    if "gpu_milli" in rows:
        # Only pods of one GPU may ask for part of it.
        columns["gpu_fraction"] = np.where(gpus == 1, rows.numbers("gpu_milli") / 1000, 1.0)
    if "cpu_milli" in rows:
        columns["cpus"] = rows.numbers("cpu_milli") / 1000
    if "memory_mib" in rows:
        columns["memory_bytes"] = rows.numbers("memory_mib") * 2.0**20
    for ours, theirs in (
        *(("job_id", "name"), ("group", "qos"), ("qos", "qos")),
        ("gpu_types", "gpu_spec"),
    ):
        if theirs in rows:
            columns[ours] = rows.text(theirs)
    if not source.asked:
        rows.note(
            "Pods still running when the trace was taken count as ended then: "
            "their durations are lower bounds."
        )
    return rows.workload(
        "alibaba-2023",
        columns,
        shown={
            "submit_s": "creation_time",
            "run_s": "scheduled_time, deletion_time",
            "gpus": "num_gpu",
            "gpu_fraction": "gpu_milli",
            "cpus": "cpu_milli",
            "memory_bytes": "memory_mib",
        },
        epoch=None,
    )
