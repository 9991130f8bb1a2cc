"""The fault records as the fits see them: one row a fault, with its class and its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]

DATA = Path(__file__).parents[3] / "shared/data/infinitehbd/fault_events_day0-210.csv"
NODES, DAYS, TRAIN_DAYS = 400, 210, 140  # of the nodes, 225 never appear in the records
TICK_D = 1e-4  # resolution of the clock, 8.64 s
TOGETHER_D = 10 / 1440  # begins or ends this close to another's count as one happening

CLASSES = {
    "GPU": "gpu",
    "NIC": "nic",
    "Parameter Plane Cable": "cable",
    "Power Supply": "power-supply",
    "Fan": "fan",
    "Motherboard Battery": "board",
    "Stress Test Failure": "stress-test",
    "Unknown Error": "undiagnosed",
    "System Crash": "undiagnosed",
    "File System": "software",
    "Software Tool": "software",
    "Other Failures": "software",
}
GROUPS = {
    "hardware": ("gpu", "nic", "cable", "power-supply", "fan", "board"),
    "undiagnosed": ("undiagnosed", "software"),
    "stress-test": ("stress-test",),
}


def read_records(path: Path = DATA) -> pd.DataFrame:
    """Every fault of the records, in order of its start.

    Returns
    -------
    DataFrame
        ``node`` (0 to 399, in order of first appearance), ``cls``, ``group``, ``start_d``,
        ``end_d`` (infinite while open at the end of the records).
    """
    events = pd.read_csv(path)
    by = ["node_id", "level", "fault_class", "desc"]
    events["nth"] = events.groupby([*by, "event_type"]).cumcount()
    starts, ends = (
        events[events.event_type == kind].set_index([*by, "nth"]).event_time_days
        for kind in ("fault_start", "fault_end")
    )
    # A node has one fault at a time, so the n-th end of a kind belongs to its n-th start.
    faults = pd.concat([starts.rename("start_d"), ends.rename("end_d")], axis=1).reset_index()
    faults = faults.sort_values("start_d", kind="stable").reset_index(drop=True)
    group_of = {cls: group for group, members in GROUPS.items() for cls in members}
    cls = faults.fault_class.map(CLASSES)
    return pd.DataFrame(
        {
            "node": pd.factorize(faults.node_id)[0],
            "cls": cls,
            "group": cls.map(group_of),
            "start_d": faults.start_d,
            "end_d": faults.end_d.fillna(np.inf),
        }
    )


def dismissed(records: pd.DataFrame) -> pd.Series:
    """Failed stress tests that were cleared within a tick: false alarms of one campaign."""
    return (records.cls == "stress-test") & (records.end_d - records.start_d < 1.5 * TICK_D)


def seen_by(records: pd.DataFrame, until_d: float) -> pd.DataFrame:
    """The faults that somebody knows on a day: later starts and ends are hidden, alarms gone.

    Adds ``open`` and ``lasts_d``, up to that day where the fault is open.
    """
    faults = records[(records.start_d < until_d) & ~dismissed(records)].reset_index(drop=True)
    faults["open"] = faults.end_d >= until_d
    faults["lasts_d"] = np.minimum(faults.end_d, until_d) - faults.start_d
    faults["end_d"] = faults.end_d.where(~faults.open, np.inf)
    return faults


def happenings(faults: pd.DataFrame, by: tuple[str, ...] = ("start_d", "end_d")) -> Array:
    """A number a fault: the same for faults that begin together, end together, or both.

    One campaign or one round of repairs tells its story many times; this says how often.
    """
    n = len(faults)
    pairs = []
    for column in by:
        times = faults[column].to_numpy()
        order = np.argsort(times, kind="stable")
        order = order[np.isfinite(times[order])]
        near = np.diff(times[order]) < TOGETHER_D
        pairs.append(np.stack([order[:-1][near], order[1:][near]]))
    i, j = np.concatenate(pairs, axis=1)
    return np.asarray(connected_components(coo_array((np.ones(len(i)), (i, j)), (n, n)))[1])


def counts_by_node(faults: pd.DataFrame) -> Array:
    """Faults of each of the 400 nodes."""
    return np.bincount(faults.node, minlength=NODES)


def nodes_out(faults: pd.DataFrame, from_d: float, until_d: float) -> float:
    """Mean number of nodes out of service in an interval."""
    out_d = np.minimum(faults.start_d + faults.lasts_d, until_d) - faults.start_d.clip(lower=from_d)
    return float(out_d.clip(lower=0).sum() / (until_d - from_d))
