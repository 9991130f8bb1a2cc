"""The hall as arrays: numbering, racks, halls, domains, size, and the index of free places."""

import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import DomainError, InvariantError
from twin.site.fleet import Fleet
from twin.site.index import FreeIndex
from twin.site.layout import Pool, lay_out
from twin.site.topology import fat_tree


def test_numbers_run_pool_by_pool_and_node_by_node():
    site = lay_out(
        [
            Pool("a", "n", "", 8, 5, nodes_per_rack=2, racks_per_row=2),
            Pool(
                "b", "tray", "", 4, 36, halls=("east", "west"), nodes_per_rack=18, domain_nodes=18
            ),
        ],
        regions={"us": ["hall-1", "east"], "eu": ["west"]},
    )
    assert (site.n_nodes, site.n_gpus) == (41, 5 * 8 + 36 * 4)
    assert site.node_rack[:5].tolist() == [0, 0, 1, 1, 2]
    assert site.rack_row[:3].tolist() == [0, 0, 1]
    assert site.node_domain[:5].tolist() == [0, 1, 2, 3, 4]  # the node is the domain
    assert len(np.unique(site.node_domain[5:])) == 2  # two NVL72 racks
    assert site.gpu_node[39] == 4 and site.gpu_node[40] == 5
    hall_of = site.row_hall[site.rack_row[site.node_rack]]
    assert [site.halls[h] for h in (hall_of[0], hall_of[5], hall_of[40])] == [
        "hall-1",
        "east",
        "west",
    ]
    assert [site.regions[r] for r in site.hall_region] == ["us", "us", "eu"]
    assert site.pool_nodes(1) == range(5, 41)


def test_a_million_gpus_build_in_seconds_within_two_gigabytes():
    """In a process of its own, so that the memory counted is that of the site and fleet alone."""
    code = (
        "import resource, time; t = time.perf_counter()\n"
        "from twin.site.layout import Pool, lay_out; from twin.site.fleet import Fleet\n"
        "site = lay_out([Pool('p', 'dgx-h100', 'h100-sxm', 8, 125_000)]); fleet = Fleet(site)\n"
        "assert site.n_gpus == 1_000_000 and len(site.gpu_node) == 1_000_000\n"
        "assert fleet.index[0].lowest_wholly_free(125_000)[-1] == 124_999\n"
        "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    taken_s, peak_kib = (float(value) for value in out.stdout.split())
    assert peak_kib * 1024 < 2e9
    assert taken_s < 10
    assert resource.RLIM_INFINITY  # the module is POSIX: so is this test


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_index_answers_as_a_scan_would(data):
    """Against lists that are searched from end to end; more nodes than one word of the index."""
    n = data.draw(st.sampled_from([1, 3, 40, 1024, 1500]))
    size = data.draw(st.sampled_from([1, 4, 8]))
    index, free = FreeIndex(n, size), [size] * n
    moves = st.tuples(st.integers(0, n - 1), st.integers(0, size))
    for node, after in data.draw(st.lists(moves, max_size=30)):
        if free[node] != after:
            index.move(node, free[node], after)
            free[node] = after
    assert index.free_gpus == sum(free)
    assert index.sizes == [free.count(f) for f in range(size + 1)]
    for gpus in range(1, size + 1):
        fitting = [(f, node) for node, f in enumerate(free) if f >= gpus]
        assert index.tightest(gpus) == (min(fitting)[1] if fitting else -1)
    whole = [node for node, f in enumerate(free) if f == size]
    assert index.wholly_free() == len(whole)
    for wanted in {1, len(whole), len(whole) + 1}:
        assert index.lowest_wholly_free(wanted) == (whole[:wanted] if wanted <= len(whole) else [])
    for node in {0, n // 2, n - 1}:
        nearest = sorted(whole, key=lambda other: (abs(other - node), other))
        for wanted in {1, 2, len(whole)}:
            assert index.nearest_wholly_free(node, wanted) == nearest[:wanted]


def test_fleet_refuses_to_give_a_gpu_twice_or_take_back_what_is_free():
    fleet = Fleet(lay_out([Pool("p", "n", "", 8, 2)]))
    first = fleet.take([(0, 3)])
    assert first == {0: 0b111}
    assert fleet.take([(0, 1), (1, 8)]) == {0: 0b1000, 1: 0xFF}
    with pytest.raises(InvariantError, match="node 1 has 0 GPUs free, not the 1 asked of it"):
        fleet.take([(0, 2), (1, 1)])
    assert fleet.free_mask == [0xF0, 0]  # the half that could be had was put back
    fleet.give_back(first)
    with pytest.raises(InvariantError, match="given back but not held"):
        fleet.give_back(first)


@pytest.mark.parametrize(
    ("ports", "radix", "switches"),
    [
        (64, 64, (1, 0, 0)),
        (65, 64, (3, 2, 0)),
        (2048, 64, (64, 32, 0)),
        (65_536, 64, (2048, 2048, 1024)),
        (16, 4, (8, 8, 4)),  # the fat tree of k = 4 in [alfares2008]: 20 switches
    ],
)
def test_fat_trees_have_the_sizes_of_the_closed_form(ports, radix, switches):
    tree = fat_tree(ports, radix)
    assert (tree.leaf, tree.spine, tree.core) == switches


@given(st.integers(1, 60_000), st.sampled_from([32, 64, 128]))
def test_fat_trees_have_full_bisection(ports, radix):
    if ports > radix**3 // 4:
        with pytest.raises(DomainError):
            fat_tree(ports, radix)
        return
    tree = fat_tree(ports, radix)
    if tree.tiers > 1:
        up = tree.leaf * radix // 2
        assert up >= ports and tree.leaf * radix // 2 >= ports
        assert tree.spine * radix >= up * (2 if tree.core else 1)
        assert not tree.core or tree.core * radix >= tree.spine * radix // 2
