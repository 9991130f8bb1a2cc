"""Which nodes an incident took, from the name of what failed and how many nodes it hit."""

import pandas as pd
import pytest

from twin.metrics.place import nodes_taken, place
from twin.site.domains import Domains
from twin.site.layout import Pool, lay_out

SITE = lay_out(
    [
        Pool("a", "x", "", 8, 48, ("h1", "h2"), nodes_per_rack=4, racks_per_row=3),
        Pool("b", "y", "", 4, 20, ("h2",), nodes_per_rack=5, racks_per_row=2, domain_nodes=5),
    ],
    name="lab",
)


@pytest.mark.parametrize(
    ("name", "n", "nodes"),
    [
        ("node 7", 1, [7]),
        ("gpu 59", 1, [7]),  # the eighth node of eight GPUs each
        ("gpu 59", 4, [4, 5, 6, 7]),  # with its rack, by a common cause
        ("gpu 386", 5, [48, 49, 50, 51, 52]),  # with its scale-up domain
        ("rack 1", 4, [4, 5, 6, 7]),
        ("rack 1", 1, [4]),  # a part of the rack that takes its first node
        ("rack 1", 12, list(range(12))),  # and one that takes the row
        ("leaf 1", 16, list(range(32, 48))),
        ("h2", 44, list(range(24, 68))),
        ("lab", 68, list(range(68))),
        ("node 7", 3, []),  # no unit of three nodes
        ("node 68", 1, []),
        ("job train", 0, []),
    ],
)
def test_nodes_taken(name, n, nodes):
    assert nodes_taken(Domains(SITE), name, n) == nodes


def test_every_unit_is_found_by_the_name_that_it_is_given():
    domains = Domains(SITE)
    for level in ("node", "scale-up", "leaf", "rack", "cdu", "row", "ups", "hall", "region"):
        for unit in range(domains.units(level)):
            nodes = domains.nodes(level, unit)
            assert nodes_taken(domains, domains.name(level, unit), len(nodes)) == nodes


def test_place_adds_ranges_and_layout():
    incidents = pd.DataFrame({"nodes_hit": [1, 44]})
    found = place({"row": 1, "domain": "h2", "gpu_s": 3.0}, incidents, SITE)
    assert found["worst_incident"] == {"row": 1, "domain": "h2", "gpu_s": 3.0, "nodes": [[24, 67]]}
    assert [pool["nodes"] for pool in found["layout"]] == [48, 20]
    assert found["layout"][0]["halls"] == ["h1", "h2"]
    assert list(place(None, incidents, SITE)) == ["layout"]
