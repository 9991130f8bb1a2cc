"""Jobs written out in the scenario."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import nan
from typing import TYPE_CHECKING, Any

from twin.workload.jobs import Intake, Workload, job_table

if TYPE_CHECKING:
    from twin.scenario.workload import WrittenJobs


def written(specs: Sequence[WrittenJobs], start: datetime | None = None) -> Workload:
    """The job table of jobs that a scenario lists."""
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *("job_id", "submit_s", "run_s", "gpus", "user", "group", "kind", "priority", "pool"),
            *("model", "gpu_fraction", "deadline_s", "qos", "min_gpus", "max_gpus", "gpu_types"),
            *("cpus", "memory_bytes", "data_bytes"),
        )
    }
    for at, spec in enumerate(specs, start=1):
        name = spec.name or f"job-{at}"
        for turn in range(spec.count):
            columns["job_id"].append(name if spec.count == 1 else f"{name}-{turn + 1}")
            submit_s = spec.submit_s + turn * spec.every_s
            columns["submit_s"].append(submit_s)
            columns["run_s"].append(spec.run_s)
            columns["gpus"].append(spec.gpus)
            columns["user"].append(spec.user or "")
            columns["group"].append(spec.group or "")
            columns["kind"].append(spec.kind)
            columns["priority"].append(spec.priority)
            columns["pool"].append(spec.pool or "")
            columns["model"].append(spec.model or "")
            columns["gpu_fraction"].append(spec.gpu_fraction)
            columns["cpus"].append(nan if spec.cpus is None else spec.cpus)
            memory_bytes = spec.memory_bytes
            columns["memory_bytes"].append(nan if memory_bytes is None else memory_bytes)
            columns["deadline_s"].append(submit_s + (spec.deadline_s or nan))
            columns["qos"].append(spec.qos or "")
            columns["min_gpus"].append(spec.min_gpus or 0)
            columns["max_gpus"].append(spec.max_gpus or 0)
            columns["gpu_types"].append("|".join(spec.gpu_types))
            columns["data_bytes"].append(nan if spec.data_bytes is None else spec.data_bytes)
    jobs = job_table(columns)
    return Workload(jobs, Intake("the scenario", "written", rows_read=len(jobs)), epoch=start)
