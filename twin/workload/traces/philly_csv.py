"""Philly as one table: ``timestamp,duration,num_gpus,gpu_time,cluster`` (Sia, SOSP 2023)."""

from __future__ import annotations

from twin.registry import reader
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.delimited import read_delimited
from twin.workload.traces.rows import local_epoch

COLUMNS = ("timestamp", "duration", "num_gpus", "cluster")


@reader("philly-csv")
def read(source: Source) -> Workload:
    """Jobs of Microsoft's Philly clusters; group is the virtual cluster.

    Notes
    -----
    Only jobs that ran are in this table. ``gpu_time`` is duration x GPUs and is not read. Rows that
    repeat another are kept: nothing says that two equal jobs were not two jobs.

    Sources
    -------
    [jeon2019], in the form of [sia2023].
    """
    rows = read_delimited(source.path, skip_bad=source.skip_bad, wanted=COLUMNS)
    rows.require("timestamp", "duration", "num_gpus")
    columns = {
        "submit_s": rows.times_s("timestamp"),
        "run_s": rows.numbers("duration"),
        "gpus": rows.numbers("num_gpus"),
    }
    if "cluster" in rows:
        columns["group"] = rows.text("cluster")
    return rows.workload(
        "philly-csv",
        columns,
        shown={"submit_s": "timestamp", "run_s": "duration", "gpus": "num_gpus"},
        epoch=local_epoch(rows),
    )
