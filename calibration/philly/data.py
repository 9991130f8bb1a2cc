"""The Philly trace as the model sees it: clean weeks, without the prober, cut into sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).parents[3] / "shared/data/sia/philly.csv.gz"

# Eleven whole weeks, Monday to Sunday. The log begins on the Sunday before; 69 earlier jobs are
# survivors (all ran for 5 days or more). After them submissions all but stop while the nodes stay
# busy (helios/philly_node_sequence): jobs that had not ended when the log was read are missing.
START, WEEKS = pd.Timestamp("2017-09-25"), 11
TRAIN_WEEKS = 8  # 73 % of the span; the last three weeks are for the test
DAY_S, WEEK_S = 86400.0, 7 * 86400.0

# One virtual cluster submits a 1-GPU job every ten minutes, on the clock: at 113-140 s past each
# tenth minute 400 jobs come for 1 at other seconds. A health probe of 68 s, no user's work.
PROBE_CLUSTER, PROBE_PERIOD_S, PROBE_FROM_S, PROBE_TO_S = "11cb48", 600, 113, 141

SESSION_GAP_S = 1800.0  # jobs of one virtual cluster and size, closer than this, are one session
SWEEP_ABOVE = 30  # jobs; run times of 1-GPU jobs change character here


def read_jobs(path: Path = DATA) -> pd.DataFrame:
    """Jobs of the eleven weeks in order of submit, probes left out.

    Returns
    -------
    DataFrame
        ``submit_s`` [s since START], ``run_s`` [s], ``gpus``, ``cluster``.
    """
    raw = pd.read_csv(path).drop_duplicates()
    submit_s = (pd.to_datetime(raw["timestamp"]) - START).dt.total_seconds()
    jobs = pd.DataFrame(
        {
            "submit_s": submit_s,
            "run_s": raw["duration"].astype(float),
            "gpus": raw["num_gpus"].astype(int),
            "cluster": raw["cluster"],
        }
    )
    jobs = jobs[(jobs.submit_s >= 0) & (jobs.submit_s < WEEKS * WEEK_S)]
    phase_s = jobs.submit_s % PROBE_PERIOD_S
    probe = (
        (jobs.cluster == PROBE_CLUSTER)
        & (jobs.gpus == 1)
        & phase_s.between(PROBE_FROM_S, PROBE_TO_S, inclusive="left")
    )
    return jobs[~probe].sort_values("submit_s", kind="stable").reset_index(drop=True)


def with_sessions(jobs: pd.DataFrame) -> pd.DataFrame:
    """The same jobs with ``session`` (a number), ``gap_s`` since the one before in it, and ``n``.

    The first job of a session has no gap (NaN); ``n`` is the number of jobs of its session.
    """
    jobs = jobs.sort_values(["cluster", "gpus", "submit_s"], kind="stable").copy()
    gap_s = jobs.groupby(["cluster", "gpus"]).submit_s.diff()
    begins = gap_s.isna() | (gap_s > SESSION_GAP_S)
    jobs["session"] = np.cumsum(begins)
    jobs["gap_s"] = gap_s.where(~begins)
    jobs["n"] = jobs.groupby("session").submit_s.transform("size")
    return jobs.sort_values("submit_s", kind="stable").reset_index(drop=True)


def session_table(jobs: pd.DataFrame) -> pd.DataFrame:
    """One row a session: ``start_s``, ``n`` jobs, ``gpus``, ``cluster``; in order of start."""
    by = jobs.groupby("session")
    return pd.DataFrame(
        {
            "start_s": by.submit_s.min(),
            "n": by.size(),
            "gpus": by.gpus.first(),
            "cluster": by.cluster.first(),
        }
    ).sort_values("start_s", kind="stable")


def weeks(jobs: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Jobs of the sessions that start in weeks [first, last), counted from 0."""
    start_s = jobs.groupby("session").submit_s.transform("min")
    return jobs[(start_s >= first * WEEK_S) & (start_s < last * WEEK_S)]
