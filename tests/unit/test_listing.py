"""What `twin catalog` lists: every kind, every name, each figure with what it rests on."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog import climates, facilities, grids, power
from twin.errors import CatalogError
from twin.listing import KINDS, listing
from twin.registry import POLICY_KINDS

OF_FIGURES = (
    "gpus", "profiles", "curves", "converters", "cooling", "climates", "grids", "models"
)  # fmt: skip


def rows(kind: str, name: str) -> list[list[str]]:
    """The first table of an entry, as words."""
    table = listing(kind, name).split("\n\n")[1]
    return [line.split() for line in table.splitlines()]


def test_all_kinds_with_their_first_names() -> None:
    lines = {line.split()[0]: line for line in listing().splitlines()}
    assert list(lines) == list(KINDS)
    assert {*OF_FIGURES, *POLICY_KINDS, "failures", "traces"} <= set(lines)
    assert lines["lighting"].split(maxsplit=1)[1].startswith("all-on, dark, dim-or-dark")
    assert all(len(line) <= 100 for line in lines.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_has_a_title_and_a_page(kind: str) -> None:
    lines = [line for line in listing(kind).splitlines() if not line.startswith(" ")]
    names = [line.split()[0] for line in lines]
    assert names == KINDS[kind].names()
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)
    for name in names:
        page = listing(kind, name)
        assert len(page.splitlines()) > 1
        if kind in OF_FIGURES:
            assert any(f", {status}: " in page for status in ("verified", "derived", "unverified"))


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_names_are_refused_with_the_nearest(kind: str) -> None:
    first = KINDS[kind].names()[0]
    with pytest.raises(Exception, match="unknown") as told:  # CatalogError or PolicyError
        listing(kind, first + "x")
    assert first in str(told.value)
    with pytest.raises(CatalogError, match=f"did you mean '{kind}'"):
        listing(kind + "x")


def test_figures_are_those_of_the_catalog() -> None:
    part, _ = facilities.figures("converter", "pdu")
    found = {row[0]: float(row[1]) for row in rows("converters", "pdu")}
    assert found == {"full": part.full, "half": part.half, "fifth": part.fifth}  # type: ignore[attr-defined]
    assert rows("converters", "pdu")[0][2:] == ["assumed,", "unverified:", "from-memory"]
    grams = grids.carbon_kg_per_j("PL") * 3.6e9
    assert rows("grids", "PL")[0][1:3] == [f"{grams:.0f}", "g/kWh"]
    curve = power.curve("v100-pcie")[0]
    assert float(dict(row[:2] for row in rows("curves", "v100-pcie"))["exponent"]) == curve.exponent


def test_phases_of_a_profile() -> None:
    head, *phases = rows("profiles", "training")
    assert head == ["phase", "share", "compute", "memory", "communication", "clocked"]
    of = power.profile("training").phases
    assert [row[0] for row in phases] == [phase.name for phase in of]
    assert [float(row[5]) for row in phases] == [phase.clocked for phase in of]


def test_months_of_a_climate() -> None:
    dry_degc, wet_degc = climates.climate("phoenix").hours()
    july = slice(181 * 24, 212 * 24)
    row = next(row for row in rows("climates", "phoenix") if row[0] == "Jul")
    known = (dry_degc[july].mean(), dry_degc[july].max(), wet_degc[july].mean())
    assert [float(cell) for cell in row[1:4]] == pytest.approx(known, abs=0.051)
    assert float(row[4]) == pytest.approx(np.max(wet_degc[july]), abs=0.051)
