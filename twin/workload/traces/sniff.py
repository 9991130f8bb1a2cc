"""Which format a file has, by its first bytes, its name and its header."""

from __future__ import annotations

import re
from pathlib import Path

from twin.errors import TraceError
from twin.registry import READERS
from twin.workload.traces.files import is_folder, magic, read_head
from twin.workload.traces.nodes import is_node_list

# Columns that, together, only this format has. The first match wins.
_SIGNATURES = (
    ("philly-csv", {"timestamp", "duration", "num_gpus"}),
    ("helios", {"gpu_num", "submit_time", "state"}),
    ("alibaba-2023", {"num_gpu", "creation_time", "deletion_time"}),
    ("alibaba-2020", {"job_name", "task_name", "plan_gpu"}),
    ("alibaba-2020", {"job_name", "inst_id", "start_time"}),
    ("generic", {"run_s", "gpus"}),
)
_SWF_FIELDS = 18
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guess_format(path: Path) -> str:
    """The format of a trace, as `twin.workload.traces.base.read_trace` takes it.

    Raises
    ------
    TraceError
        If the file cannot be opened, or is none of the known formats.
    """
    if is_folder(path):
        if any(path.glob("pai_*_table*")):
            return "alibaba-2020"
        raise TraceError(f"{path}: is a folder without pai_task_table; give the trace file")
    if magic(path).startswith(b"PAR1"):
        return "generic"
    head = read_head(path)
    lines = [line for line in head.splitlines() if line.strip()]
    if not lines:
        raise TraceError(f"{path}: is empty")
    if re.match(r"pai_(job|task)_table", path.name):
        return "alibaba-2020"
    if lines[0].lstrip()[0] in "[{":
        return "philly-json"
    if path.name.endswith((".swf", ".swf.gz")) or _looks_like_swf(lines):
        return "swf"
    first = lines[0]
    if "|" in first and "jobid" in first.lower():
        return "slurm"
    header = {name.strip().strip('"') for name in first.split(",")}
    for name, signature in _SIGNATURES:
        if signature <= header:
            return name
    if is_node_list(path):
        raise TraceError(f"{path}: is a list of nodes, not of jobs; use it as a site's node_list")
    raise TraceError(
        f"{path}: cannot tell its format from its first line {first[:100]!r}; "
        f"say which with format: {', '.join(READERS.names())} "
        "(generic takes any table, with columns: saying which is which)"
    )


def _looks_like_swf(lines: list[str]) -> bool:
    data = [line for line in lines if not line.lstrip().startswith(";")]
    if not data:
        return True
    fields = data[0].split()
    return len(fields) == _SWF_FIELDS and all(_NUMBER.fullmatch(field) for field in fields)
