"""Node lists published with traces: which nodes a cluster had, one row each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from twin.errors import TraceError, did_you_mean
from twin.workload.traces.convert import as_categorical
from twin.workload.traces.delimited import delimited_rows
from twin.workload.traces.files import read_head, read_text

# Format -> column of the node table -> column of the file and factor to SI.
_FORMATS: dict[str, dict[str, tuple[str, float]]] = {
    "alibaba-2023": {
        "node": ("sn", 1),
        "gpu_model": ("model", 1),
        "gpus": ("gpu", 1),
        "cpus": ("cpu_milli", 1e-3),
        "memory_bytes": ("memory_mib", 2.0**20),
    },
    "alibaba-2026": {
        "node": ("node_name", 1),
        "gpu_model": ("gpu_model", 1),
        "gpus": ("gpu_capacity_num", 1),
        "cpus": ("cpu_num", 1),
    },
    "alibaba-2020": {
        "node": ("machine", 1),
        "gpu_model": ("gpu_type", 1),
        "gpus": ("cap_gpu", 1),
        "cpus": ("cap_cpu", 1),
        "memory_bytes": ("cap_mem", 2.0**30),  # "GB", but of 1024 MB: 29.296875 GB is 30000 MB
    },
    "generic": {
        "node": ("node", 1),
        "gpu_model": ("gpu_model", 1),
        "gpus": ("gpus", 1),
        "cpus": ("cpus", 1),
        "memory_bytes": ("memory_bytes", 1),
    },
}
# Alibaba publishes the table of 2020 without its header.
_HEADER_2020 = ("machine", "gpu_type", "cap_cpu", "cap_mem", "cap_gpu")


def read_nodes(path: Path | str, *, format: str = "auto") -> pd.DataFrame:
    """The nodes of a cluster.

    Parameters
    ----------
    path : Path
        CSV, plain or gzip.
    format : str
        ``alibaba-2020``, ``alibaba-2023``, ``alibaba-2026``, ``generic`` (our own column names), or
        ``auto`` to tell it by the header.

    Returns
    -------
    DataFrame
        (n_node,) rows in file order: ``node`` (id), ``gpu_model`` (category, empty without GPUs or
        if undisclosed), ``gpus``, ``cpus`` (cores; NaN if not stated), ``memory_bytes`` (likewise).

    Raises
    ------
    TraceError
        If the file cannot be read, is no list of nodes, or has a bad row.
    """
    path = Path(path)
    if format != "auto" and format not in _FORMATS:
        raise TraceError(
            f"{path}: unknown node-list format {format!r}; {did_you_mean(format, _FORMATS)}"
        )
    text = read_text(path)
    first = text.lstrip().split(b"\n", 1)[0].decode()
    headless = format in ("auto", "alibaba-2020") and _is_headless(path, first)
    if format == "auto":
        format = "alibaba-2020" if headless else _format_of(first)
        if not format:
            raise TraceError(
                f"{path}: no list of nodes; its first line is {first[:100]!r}. "
                f"Known formats: {', '.join(_FORMATS)} (generic has columns node, gpus, gpu_model)"
            )
    columns = _FORMATS[format]
    rows = delimited_rows(
        path,
        text,
        skip_bad=False,
        wanted=[theirs for theirs, _ in columns.values()],
        names=_HEADER_2020 if headless else None,
    )
    rows.require(columns["node"][0], columns["gpus"][0])
    made = {}
    for ours in ("gpus", "cpus", "memory_bytes"):
        theirs, factor = columns.get(ours, ("", 1))
        made[ours] = rows.numbers(theirs) * factor if theirs in rows else np.full(len(rows), np.nan)
        rows.refuse(made[ours] < 0, f"a negative number for {ours}", theirs)
    gpus, theirs = made["gpus"], columns["gpus"][0]
    rows.refuse(np.isnan(gpus), "no number of GPUs", theirs)
    rows.refuse((gpus != np.floor(gpus)) | (gpus > 1024), "not a number of GPUs in a node", theirs)
    rows.verdict()
    model = columns["gpu_model"][0]
    named = rows.text(model) if model in rows else pa.array([""] * len(rows))
    return pd.DataFrame(
        {
            "node": rows.text(columns["node"][0]).to_pandas(),
            "gpu_model": as_categorical(pc.if_else(pa.array(gpus > 0), named, "")),
            "gpus": gpus.astype(np.int32),
            "cpus": made["cpus"],
            "memory_bytes": made["memory_bytes"],
        }
    )


def is_node_list(path: Path) -> bool:
    """Whether a file looks like a list of nodes; False for what cannot be opened."""
    try:
        first = read_head(path).lstrip().split("\n", 1)[0]
    except TraceError:
        return False
    return bool(_format_of(first)) or _is_headless(path, first)


def _format_of(header: str) -> str:
    """The format whose columns of nodes and GPUs a header has; empty if none."""
    found = {name.strip().strip('"') for name in header.split(",")}
    for name, columns in _FORMATS.items():
        if {columns["node"][0], columns["gpus"][0]} <= found:
            return name
    return ""


def _is_headless(path: Path, first: str) -> bool:
    """Whether it is the table of 2020 as published: known by its name and its five columns."""
    fields = first.split(",")
    named = path.name.startswith("pai_machine_spec")
    return named and len(fields) == len(_HEADER_2020) and not set(fields) & set(_HEADER_2020)
