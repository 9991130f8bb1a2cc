"""Nodes over time: against brute force, by hand, and where there are too many of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import DAY_S, assemble, jobs_table
from report_schedulers import ScheduledRun, allocations, scheduled_run

from twin.report.occupancy import FREE, few_groups, means, node_sizes, occupancy


def made(
    rows: list[tuple[int, int, int, float, float]],
    *,
    gpus: int = 16,
    days: float = 4,
    **kwargs: object,
) -> ScheduledRun:
    """Three jobs of 8 GPUs, and what of which node they held when."""
    jobs = jobs_table(
        submit_s=[0.0] * 3, gpus=[8, 8, 8], run_s=[days * DAY_S] * 3, start_s=[0.0] * 3,
        group=pd.Categorical(["a", "b", "a"]), **kwargs,
    )  # fmt: skip
    return ScheduledRun(**vars(assemble(jobs, gpus=gpus)), allocations=allocations(rows))


SPELLS = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 6), st.floats(0, 6), st.floats(0.1, 8)), max_size=12
)


@given(SPELLS)
def test_means_are_those_of_brute_force(spells: list[tuple[int, float, float, float]]) -> None:
    spells = [(row, min(a, b), max(a, b), weight) for row, a, b, weight in spells]
    columns = np.array(spells, float).reshape(-1, 4).T
    found = means(columns[0].astype(int), columns[1], columns[2], columns[3], 3, 6)
    expected = np.zeros((3, 6))
    for row, begin, until, weight in spells:
        for k in range(6):
            expected[row, k] += weight * max(0.0, min(until, k + 1) - max(begin, k))
    assert found == pytest.approx(expected, abs=1e-9)


def test_shares_by_hand() -> None:
    """Node 0: four GPUs for two of four days; node 1: eight for half a day, in the fourth."""
    run = made([(0, 0, 0b1111, 0, 2 * DAY_S), (1, 1, 255, 3 * DAY_S, 3.5 * DAY_S)])
    found = occupancy(run, 4 * DAY_S, 4)
    assert found is not None
    assert found.held == pytest.approx(np.array([[0.5, 0.5, 0, 0], [0, 0, 0, 0.5]]))
    assert found.nodes.tolist() == [0, 1]
    assert found.holder is None


def test_who_held_most() -> None:
    """Group a has 5 of 8 GPUs, then 3 beside 4 of b, then a single one."""
    day = DAY_S
    run = made(
        [
            (0, 0, 0b11111, 0, day),
            (0, 0, 0b111, day, 2 * day),
            (1, 0, 0b1111000, day, 2 * day),
            (2, 0, 0b1, 2 * day, 3 * day),
        ]
    )
    found = occupancy(run, 4 * day, 4, ("a", "b"))
    assert found is not None
    assert found.holder is not None
    assert found.holder[0].tolist() == [0, 1, FREE, FREE]
    assert found.held[0] == pytest.approx([5 / 8, 7 / 8, 1 / 8, 0])
    assert (found.holder[1] == FREE).all()


def test_parts_of_gpus_count_as_parts() -> None:
    run = made([(0, 0, 1, 0, 4 * DAY_S), (1, 0, 1, 0, 4 * DAY_S)], gpu_fraction=[0.5, 0.25, 1.0])
    found = occupancy(run, 4 * DAY_S, 2)
    assert found is not None
    assert found.held[0] == pytest.approx([0.75 / 8] * 2)


def test_a_node_of_64_gpus_is_full() -> None:
    run = made([(0, 0, -1, 0, 4 * DAY_S)], gpus=128)
    run.summary["site"] |= {"nodes": 2, "pools": {}}
    run.scenario_yaml = ""
    found = occupancy(run, 4 * DAY_S, 2)
    assert found is not None
    assert found.held.tolist() == [[1, 1], [0, 0]]


def test_a_clock_longer_than_the_run() -> None:
    found = occupancy(made([(0, 0, 255, 0, 4 * DAY_S)]), 8 * DAY_S, 4)
    assert found is not None
    assert found.held[0].tolist() == [1, 1, 0, 0]


def test_of_many_nodes_128_are_drawn() -> None:
    rows = [(0, node, 255, 0.0, 4 * DAY_S) for node in range(0, 1000, 2)]
    found = occupancy(made(rows, gpus=8000), 4 * DAY_S, 4)
    assert found is not None
    assert (len(found.nodes), found.n_nodes) == (128, 1000)
    assert found.nodes[0] == 0
    assert np.diff(found.nodes).min() == 7
    assert np.diff(found.nodes).max() == 8
    assert found.held[:, 0].tolist() == (1.0 * (found.nodes % 2 == 0)).tolist()


def test_all_gpu_time_is_there() -> None:
    run = scheduled_run(40, gpus=128, load=0.1)
    run.allocations = run.allocations[run.allocations["node"] < 0x7FFF]
    end_s = float(run.summary["horizon_s"])
    spells = run.allocations.drop_duplicates("node")  # one spell a node: nothing is cut off at 1
    run.allocations = spells
    found = occupancy(run, end_s, 37)
    assert found is not None
    held_s = (
        np.bitwise_count(spells["gpu_mask"].to_numpy()) * (spells["end_s"] - spells["start_s"])
    ).sum()
    assert found.held.sum() * 8 * end_s / 37 == pytest.approx(float(held_s))


def test_nodes_have_the_size_of_their_pool() -> None:
    run = made([(0, 5, 1, 0, DAY_S)])
    run.summary["site"] = {"gpus": 28, "nodes": 6, "pools": {"big": 16, "small": 12}}
    run.scenario_yaml = "site: {pools: [{name: big, nodes: 2}, {name: small, nodes: 4}]}\n"
    assert node_sizes(run).tolist() == [8, 8, 3, 3, 3, 3]
    run.scenario_yaml = ": not yaml ["
    assert node_sizes(run) == pytest.approx(np.full(6, 28 / 6))
    assert len(node_sizes(run, at_least=9)) == 9


def test_without_a_record_there_is_nothing() -> None:
    run = made([])
    assert occupancy(run, DAY_S, 4) is None
    assert occupancy(made([(0, 0, 1, 0, DAY_S)]), 0.0, 4) is None


@pytest.mark.parametrize(("groups", "told"), [(1, 0), (2, 2), (8, 8), (9, 0)])
def test_groups_are_told_apart_if_few(groups: int, told: int) -> None:
    run = scheduled_run(60, groups=groups)
    assert len(few_groups([run, run])) == told


def test_the_largest_group_is_first() -> None:
    run = made([])
    assert few_groups([run]) == ("a", "b")
    run.jobs.loc[run.jobs["group"] == "b", "run_s"] *= 5
    assert few_groups([run]) == ("b", "a")
