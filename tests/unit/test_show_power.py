"""What `twin show` says of power: sums and fits that can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.powered_site import hall, model, node
from twin.run import load
from twin.show import show
from twin.show_power import Feeds
from twin.site.domains import Domains

SITE = """
name: s
horizon: 10 days
site: {pools: [{name: p, node: dgx-h100, nodes: 10, nodes_per_rack: 4, racks_per_row: 2}]}
workload: {jobs: [{name: one, gpus: 1, run: 1 h}]}
"""
LOSSLESS = "losses: none"
POWER = f"""
power:
  levels:
    rack: {{rating: 40 kW, {LOSSLESS}}}
    row: {{oversubscription: 1.25, {LOSSLESS}, breaker: {{trips_at: 1.2}}}}
    ups: {{{LOSSLESS}}}
    hall: {{{LOSSLESS}}}
    site: {{rating: 60 kW, feeds: 3, redundancy: N+1, derating: 0.8}}
  host: {{idle: 2 kW, max: 10 kW, fans: 0, network_per_gpu: 25 W, off: 100 W}}
  cooling: {{weather: {{constant: {{dry_bulb: 20 degC, wet_bulb: 14 degC}}}}}}
"""


@pytest.fixture
def section(tmp_path: Path) -> Callable[[str, str], list[str]]:
    def write(text: str, title: str) -> list[str]:
        path = tmp_path / "s.yaml"
        path.write_text(text)
        lines = show(load(path)).splitlines()
        begin = lines.index(title) + 2
        ends = [at for at in range(begin, len(lines) - 1) if lines[at + 1].startswith("---")]
        return [" ".join(line.split()) for line in lines[begin : ends[0] if ends else None]]

    return write


def test_the_tree_a_line_a_level(section: Callable[[str, str], list[str]]) -> None:
    head, site, _, _, row, rack, *_ = section(SITE + POWER, "Power")
    assert head.startswith("level units feeds rating may draw nameplate over at rest trips from")
    # A node is 10 kW and 200 W of network; of 10 the last rack has 2, the last row 4 or 2.
    assert rack.startswith("rack 3 1 N 40 kW 40 kW 20.4 kW to 40.8 kW 0.51 to 1.02 ")
    assert rack.split("1.02 ")[1].startswith("4.4 kW to 8.8 kW - none 100.0 %")
    # Rows are rated at their nameplate over 1.25; breakers trip from 1.2 times that on.
    assert row.startswith("row 2 1 N 16.32 kW to 65.28 kW 16.32 kW to 65.28 kW 20.4 kW to 81.6 kW")
    assert "1.25 4.4 kW to 17.6 kW 19.58 kW to 78.34 kW none" in row
    # Two of three feeds, derated: 2 * 60 kW * 0.8.
    assert site.startswith("site 1 3 N+1 60 kW 96 kW 102 kW 1.06 ")


def test_parts_of_a_node_add_up(section: Callable[[str, str], list[str]]) -> None:
    lines = section(SITE + POWER, "What a node draws")
    assert lines[0] == "pool p: dgx-h100 at rest at most"
    assert lines[1] == "8 GPUs 560 W 5.6 kW"
    assert lines[5] == "the node 2 kW 10 kW"
    assert lines[6] == "its share of the network 200 W 200 W"
    assert lines[7] == "with the network 2.2 kW 10.2 kW"
    assert lines[8] == "off it draws 100 W, and 2 kW for 5.0 min while it starts"
    scale = {"W": 1.0, "kW": 1e3}
    parts_w = []
    for line in lines[1:5]:
        *_, rest, unit, most, most_unit = line.split()
        parts_w.append((float(rest) * scale[unit], float(most) * scale[most_unit]))
    assert np.sum(parts_w, axis=0) == pytest.approx([2000.0, 10000.0], rel=1e-3)


def test_cooling_and_bills(section: Callable[[str, str], list[str]]) -> None:
    more = """  price:
    time_of_use:
      otherwise: 0.05 USD/kWh
      periods: [{name: peak, hours: [16, 21], price: 0.2 USD/kWh}]
  demand_charge: 12 USD/kW-month
  carbon: {country: FR}
"""
    lines = section(SITE + "start: 2025-01-06 17:00\n" + POWER + more, "Cooling and bills")
    assert lines[0].startswith("cooling air-economiser, rated for ")
    assert lines[1] == "weather always the same; 20.0 degC, wet bulb 14.0 degC at the start"
    # Only cooling is lost here: PUE is what it adds to the nodes' and the network's 102 kW.
    pue, cooling_kw = float(lines[2].split()[8 - 1].strip(";")), float(lines[2].split()[-2])
    assert pue == pytest.approx(1 + cooling_kw / 102, abs=6e-4)
    assert lines[3:6] == [
        "price 0.2 USD/kWh at the start, 0.05 to 0.2 in the first week",
        "demand charge 12 USD/kW-month",
        "carbon 56 g/kWh",
    ]


def test_caps_with_a_date(section: Callable[[str, str], list[str]]) -> None:
    caps = "  caps:\n    - {at: 2 h, lasts: 3 h, every: 1 day, cap: 50 kW, why: peak}\n"
    lines = section(SITE + POWER + caps, "Caps with a date")
    assert lines[0] == "peak site 50 kW at 2.0 h for 3.0 h"
    assert lines[1] == "peak site 50 kW at 1.1 d for 3.0 h"
    assert lines[8] == "and 2 more"  # ten days


def test_nodes_that_fit_by_nameplate(section: Callable[[str, str], list[str]]) -> None:
    text = "\n".join(section(SITE + POWER, "Power"))
    # 3 fit in each whole rack, 6.4 in the whole row and 1.6 in the other: 6 and 1 of the 8 and 2.
    assert "7 of 10 nodes fit under the caps by nameplate, 56 GPUs or 70 %" in text
    free = SITE + "power: {cooling: {type: direct-liquid}}\n"
    assert "All 10 nodes fit under the caps by nameplate." in "\n".join(section(free, "Power"))


def test_nothing_of_it_without_the_section(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SITE)
    text = show(load(path))
    assert "Power, at nameplate" in text
    assert "What a node draws" not in text


watts = st.one_of(st.just(inf), st.integers(1, 12).map(lambda n: 700.0 * n))


@given(st.integers(1, 9), st.lists(watts, min_size=3, max_size=3), st.floats(0, 400))
def test_what_fits_keeps_the_caps_and_leaves_no_room(
    nodes: int, caps_w: Sequence[float], off_w: float
) -> None:
    built = model(hall(nodes), nodes=[node(off_w=off_w)])
    feeds = Feeds(built, Domains(hall(nodes)))
    for at, cap_w in zip((0, 1, 4), caps_w, strict=True):
        feeds.cap_w[at][:] = cap_w
    lit = feeds.fitting()

    def holds(on: np.ndarray) -> bool:
        drawn = feeds._tree.flow(np.where(on, feeds.most.node_w, off_w))[1]
        return all((w <= cap).all() for w, cap in zip(drawn, feeds.cap_w, strict=True))

    if holds(np.zeros(nodes, bool)):
        assert holds(lit)
        for dark in np.flatnonzero(~lit):
            assert not holds(lit | (np.arange(nodes) == dark))
