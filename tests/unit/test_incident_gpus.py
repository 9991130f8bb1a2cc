"""How many GPUs an incident stops: each once, however often a job is asked to leave."""

from __future__ import annotations

from pathlib import Path

from twin.run import run

# On node 7 a fault stops an eight-node job; two minutes later, as it restarts, the rack of its
# first four nodes is closed, and it leaves them one by one for the nodes that are free.
TWICE = """
name: twice
horizon: 1 day
site:
  pools:
    - {name: hall, node: {gpus: 8}, nodes: 16, nodes_per_rack: 4, racks_per_row: 4}
workload:
  jobs: [{name: wide, gpus: 64, run: 2 days}]
failures:
  incidents: [{at: 1 h, name: pin, of: node, unit: 7, lasts: 1 h, effect: fail-stop}]
  maintenance: [{name: works, of: rack, first: 3720 s, every: 30 days, lasts: 2 h}]
recovery: {startup: 1 min, restart: 5 min, checkpoint: {write: 60 s}}
policies: {recovery: replace, checkpoint: young}
"""


def test_a_restarting_job_that_leaves_a_rack_is_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(TWICE)
    seen = run(path, report=False).incidents.head(2)
    assert seen["component"].tolist() == ["pin", "works"]
    assert seen["gpus_down"].tolist() == [8, 32]
    assert seen["gpus_idled"].tolist() == [56, 32]
