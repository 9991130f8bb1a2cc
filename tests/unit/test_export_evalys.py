"""Jobs as Batsim and Evalys have them: by hand, and what the columns must add up to."""

import pandas as pd
import pytest
from export_case import job, run_folder

from twin.export import export
from twin.run import run

HEADER = (
    "job_id,workload_name,profile,submission_time,requested_number_of_resources,requested_time,"
    "success,final_state,starting_time,execution_time,finish_time,waiting_time,turnaround_time,"
    "stretch,consumed_energy,allocated_resources,metadata"
)


def test_lines_by_hand(tmp_path):
    jobs = [
        job("a,b", submit_s=1, start_s=2, end_s=12, gpus=10, energy_j=1500.0),
        job("b", submit_s=2, start_s=3, end_s=30, gpus=4, kind="serving", energy_j=2.5),
        job("c", submit_s=3, start_s=4, end_s=6, state="failed"),
        job("d", submit_s=4, state="rejected", gpus=999),
        job("e", submit_s=5, start_s=6, state="running"),
        job("f", submit_s=6, start_s=7, state="queued"),
        job("g", submit_s=7, state="queued"),
    ]
    held = [
        (0, 0, 0b11111111, 2, 12),
        (0, 1, 0b00000011, 2, 12),
        (1, 3, 0b1101, 3, 10),  # GPUs 24, 26 and 27; then another place, then a gap
        (1, 3, 0b1111, 10, 20),
        (1, 3, 0b1111, 25, 30),
        (2, 1, 0b100, 4, 6),
        (4, 1, 0b1000, 6, 1000),
        (5, 2, 0b1, 7, 9),
    ]
    found = export(run_folder(tmp_path / "run", jobs, held), "evalys")
    assert found.path == tmp_path / "run_jobs.csv"
    assert found.path.read_text().splitlines() == [
        HEADER,
        '"a,b",by-hand,training,1,10,-1,1,COMPLETED_SUCCESSFULLY,2,10,12,1,11,1.1,1500,0-9,',
        "b,by-hand,serving,2,4,-1,0,COMPLETED_KILLED,3,7,10,1,8,1.14286,,24 26-27,",
        "b#1,by-hand,serving,10,4,-1,0,COMPLETED_KILLED,10,10,20,0,10,1,,24-27,",
        "b#2,by-hand,serving,20,4,-1,1,COMPLETED_SUCCESSFULLY,25,5,30,5,10,2,2.5,24-27,",
        "c,by-hand,training,3,1,-1,0,COMPLETED_FAILED,4,2,6,1,3,1.5,,10,",
        "d,by-hand,training,4,999,-1,0,REJECTED,,,,,,,,,",
        "e,by-hand,training,5,1,-1,0,RUNNING,6,994,1000,1,995,1.00101,,11,",
        "f,by-hand,training,6,1,-1,0,COMPLETED_KILLED,7,2,9,1,3,1.5,,16,",
        "f#1,by-hand,training,9,1,-1,0,SUBMITTED,,,,,,,,,",
        "g,by-hand,training,7,1,-1,0,SUBMITTED,,,,,,,,,",
    ]
    assert found.remarks[0].startswith("2 of the jobs held GPUs in several spells")


def test_gpus_of_unlike_pools_are_numbered_through(tmp_path):
    jobs = [job("a", start_s=0, end_s=1), job("b", start_s=0, end_s=1)]
    held = [(0, 2, 0b1, 0, 1), (1, 3, 0b11, 0, 1)]
    pools = (("big", 2, 8), ("small", 3, 2))
    path = export(run_folder(tmp_path / "run", jobs, held, pools=pools), "evalys").path
    assert pd.read_csv(path)["allocated_resources"].astype(str).tolist() == ["16", "18-19"]


def test_of_a_run(small, tmp_path):
    """The columns of a real run against jobs.parquet; whole nodes of one GPU, by FIFO."""
    done = run(small(), tmp_path / "out", report=False)
    rows = pd.read_csv(export(done, "evalys").path, dtype={"job_id": str})
    assert rows["job_id"].tolist() == done.jobs["job_id"].tolist()
    assert rows["waiting_time"].tolist() == pytest.approx(done.jobs["wait_s"].tolist())
    assert rows["turnaround_time"].tolist() == pytest.approx(done.jobs["jct_s"].tolist())
    assert (rows["success"] == 1).all()
    # As Evalys reads it: pandas, then the intervals.
    sizes = [
        sum(int(part.split("-")[-1]) - int(part.split("-")[0]) + 1 for part in text.split())
        for text in rows["allocated_resources"].astype(str)
    ]
    assert sizes == done.jobs["gpus"].tolist()
