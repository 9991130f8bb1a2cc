"""Jobs written out in the scenario."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twin.workload.jobs import Intake, Workload, job_table

if TYPE_CHECKING:
    from twin.scenario.workload import WrittenJobs


def written(specs: Sequence[WrittenJobs], start: datetime | None = None) -> Workload:
    """The job table of jobs that a scenario lists."""
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("job_id", "submit_s", "run_s", "gpus", "user", "group", "kind", "priority")
    }
    columns["pool"] = []
    for at, spec in enumerate(specs, start=1):
        name = spec.name or f"job-{at}"
        for turn in range(spec.count):
            columns["job_id"].append(name if spec.count == 1 else f"{name}-{turn + 1}")
            columns["submit_s"].append(spec.submit_s + turn * spec.every_s)
            columns["run_s"].append(spec.run_s)
            columns["gpus"].append(spec.gpus)
            columns["user"].append(spec.user or "")
            columns["group"].append(spec.group or "")
            columns["kind"].append(spec.kind)
            columns["priority"].append(spec.priority)
            columns["pool"].append(spec.pool or "")
    jobs = job_table(columns)
    return Workload(jobs, Intake("the scenario", "written", rows_read=len(jobs)), epoch=start)
