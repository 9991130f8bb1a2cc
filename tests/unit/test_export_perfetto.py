"""Runs as trace events: tracks, slices, counters, incidents, and what is left out."""

import gzip
import json
import re
import tracemalloc
from types import SimpleNamespace

import numpy as np
from export_case import job, run_folder, run_in_memory

from twin.export import export, perfetto

TIMELINE = [
    {"time_s": 0.0, "queued_jobs": 1.5, "queued_gpus": 12.0, "busy_gpus": 8.0, "down_gpus": 0.0},
    {"time_s": 500.0, "queued_jobs": 0.0, "queued_gpus": 0.0, "busy_gpus": 3.0, "down_gpus": 0.0},
]


def events(path):
    open_it = gzip.open if path.suffix == ".gz" else open
    with open_it(path, "rt", encoding="utf-8") as file:
        return json.load(file)["traceEvents"]


def of(found, phase):
    return [event for event in found if event["ph"] == phase]


def by_hand(folder, **more):
    jobs = [
        job("a", start_s=1, end_s=4, gpus=10, user="ann <b>", model="llama"),
        job("b", start_s=1, end_s=9, gpus=2, user="bob", pool="small"),
        job("c", start_s=4.25, end_s=9, gpus=2, user="bob"),
    ]
    held = [
        (0, 0, 0b11111111, 1, 4),
        (0, 1, 0b110, 1, 4),
        (1, 4, 0b11, 1, 9),
        (2, 0, 0b11, 4.25, 9),
    ]
    pools = (("main", 4, 8), ("small", 2, 2))
    return run_folder(folder, jobs, held, pools=pools, timeline=TIMELINE, **more)


def test_slices_and_their_tracks(tmp_path):
    found = events(export(by_hand(tmp_path / "run"), "perfetto").path)
    processes = {e["pid"]: e["args"]["name"] for e in found if e["name"] == "process_name"}
    threads = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    assert list(processes.values()) == [
        "site: by-hand",
        "pool main: 4 nodes, 32 GPUs",
        "pool small: 2 nodes, 4 GPUs",
    ]
    seen = [
        (processes[e["pid"]][:10], threads[e["tid"]], e["name"], e["ts"], e["dur"])
        for e in of(found, "X")
    ]
    assert seen == [
        ("pool main:", "node 0 GPU 0", "a llama", 1_000_000, 3_000_000),
        ("pool main:", "node 0 GPU 0", "c training", 4_250_000, 4_750_000),
        ("pool main:", "node 1 GPU 1", "a llama", 1_000_000, 3_000_000),
        ("pool small", "node 4 GPU 0", "b training", 1_000_000, 8_000_000),
    ]
    said = of(found, "X")[2]["args"]
    assert said == {"job": "a", "user": "ann <b>", "gpus": 2, "on": "1-2", "job_gpus": 10}
    # Perfetto names a thread by its id alone, whatever its process.
    assert not set(threads) & set(processes)


def test_numbered_jobs_differ_in_letters(tmp_path):
    """Perfetto colours slices by their names without digits."""
    jobs = [job(str(k), start_s=k, end_s=k + 1) for k in range(1, 61)]
    held = [(k, k % 2, 1, k + 1.0, k + 2.0) for k in range(60)]
    held.append((0, 3, 1, 1.0, 2.0))
    found = of(events(export(run_folder(tmp_path / "run", jobs, held), "perfetto").path), "X")
    names = [(e["args"]["job"], re.sub(r"\d+", "", e["name"])) for e in found]
    assert len(set(names)) == len({name for _, name in names}) == 60
    assert {e["name"] for e in found if e["args"]["job"] == "28"} == {"28 training bb"}


def test_counters_are_the_timeline(tmp_path):
    found = of(events(export(by_hand(tmp_path / "run"), "perfetto").path), "C")
    seen = [(e["name"], e["ts"], e["args"]) for e in found]
    assert seen == [
        ("queue", 0, {"jobs": 1.5}),
        ("queue", 500_000_000, {"jobs": 0.0}),
        ("queued", 0, {"GPUs": 12.0}),
        ("queued", 500_000_000, {"GPUs": 0.0}),
        ("busy", 0, {"GPUs": 8.0}),
        ("busy", 500_000_000, {"GPUs": 3.0}),
    ]


def test_incidents_are_instants(tmp_path):
    hit = {"time_s": 2.5, "component": "gpu", "kind": "fail_stop", "domain": "node-3"}
    hit |= {"gpus_down": 1, "jobs_hit": 1, "users_hit": 1, "gpus_idled": 7}
    found = of(events(export(by_hand(tmp_path / "run", incidents=[hit]), "perfetto").path), "i")
    assert [(e["name"], e["ts"], e["s"], e["pid"]) for e in found] == [
        ("gpu fail_stop", 2_500_000, "p", 1)
    ]
    assert found[0]["args"] == {
        "domain": "node-3",
        "gpus_down": 1,
        "gpus_idled": 7,
        "jobs_hit": 1,
        "users_hit": 1,
        "recovered_s": None,
    }


def test_jobs_that_share_a_gpu_have_threads_of_their_own(tmp_path):
    jobs = [job(name, start_s=0, end_s=9, gpu_fraction=0.5) for name in "abc"]
    held = [(0, 0, 1, 0, 5), (1, 0, 1, 1, 9), (2, 0, 1, 5, 9)]
    found = events(export(run_folder(tmp_path / "run", jobs, held), "perfetto").path)
    threads = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    assert {e["args"]["job"]: threads[e["tid"]] for e in of(found, "X")} == {
        "a": "node 0 GPU 0",
        "b": "node 0 GPU 0 (2)",
        "c": "node 0 GPU 0",
    }


def test_events_are_written_as_they_are_made(monkeypatch):
    """Less than 300 bytes of memory a slice; its text alone, or its event, would take more."""
    n = 20_000
    run = run_in_memory([job("1", start_s=0, end_s=9)], [(0, 0, 1, 0.0, 1.0)] * n)
    run.allocations["start_s"] = np.arange(n, dtype=float)
    run.allocations["end_s"] = np.arange(n) + 1.0
    monkeypatch.setattr(perfetto, "_BLOCK", 1000)
    written = []
    sink = SimpleNamespace(write=lambda text: written.append(len(text)))
    tracemalloc.start()
    perfetto.write(run, sink)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(written) > n
    assert peak < 300 * n


def test_the_shortest_are_left_out_and_it_says_so(tmp_path):
    run = by_hand(tmp_path / "run")
    with (tmp_path / "few.json").open("w") as file:
        remarks = perfetto.write(run, file, most_slices=2)
    whole = json.loads((tmp_path / "few.json").read_text())
    kept = of(whole["traceEvents"], "X")
    assert [e["args"]["job"] for e in kept] == ["c", "b"]  # 4.75 s and 8 s; 3 s are left out
    assert whole["otherData"]["left_out"] == remarks
    left = 100 * (3 * 10) / (3 * 10 + 2 * 8 + 2 * 4.75)
    assert remarks == [
        f"2 of 4 spells, the shortest: none longer than 3 s, {left:.2g} % of the GPU-time held"
    ]


def test_packed_and_not_are_one_text_and_equal_runs_equal_bytes(tmp_path):
    run = by_hand(tmp_path / "run")
    plain = export(run, out=tmp_path / "a.json").path.read_bytes()
    packed = export(run, out=tmp_path / "a.json.gz").path.read_bytes()
    assert gzip.decompress(packed) == plain
    assert packed[3:8] == bytes(5)  # neither a name nor the time of writing
    assert export(run, out=tmp_path / "b.json.gz").path.read_bytes() == packed
