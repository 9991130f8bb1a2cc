"""The Philly trace as (submit_s, gpus, run_s), for the reference scheduler."""

import csv
import gzip
from datetime import datetime
from pathlib import Path

TRACE = Path(__file__).resolve().parents[3] / "shared" / "data" / "sia" / "philly.csv.gz"


def philly_jobs(path=TRACE):
    """Every row of philly.csv.gz in the file's order; submit times in s from the earliest one.

    Repeated rows stay (they are jobs of their own), the times have no zone and no summer time.
    """
    with gzip.open(path, "rt", newline="") as file:
        rows = [
            (
                datetime.strptime(row["timestamp"], "%Y-%m-%d %H:%M:%S"),
                int(row["num_gpus"]),
                float(row["duration"]),
            )
            for row in csv.DictReader(file)
        ]
    first = min(when for when, _, _ in rows)
    return [((when - first).total_seconds(), gpus, run_s) for when, gpus, run_s in rows]
