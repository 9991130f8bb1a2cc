"""Converters and ways of cooling of the catalog: figures, what they rest on, and broken files."""

import re
from pathlib import Path

import pytest

from twin.catalog import facilities
from twin.errors import CatalogError

REPOSITORY = Path(__file__).resolve().parents[2]

# Efficiency at full load, from lowest to highest, as the reference states it for each stage.
STATED = {
    "psu-titanium": (0.94, 0.96),
    "rectifier-dc": (0.96 * 0.98, 0.96 * 0.98),
    "busbar-48v": (0.985, 0.985),
    "busbar-800v": (0.99, 0.99),
    "pdu": (0.98, 0.99),
    "ups-double-conversion": (0.94, 0.97),
    "ups-eco": (0.985, 0.99),
    "transformer": (0.985, 0.99),
}


@pytest.mark.parametrize(("name", "low", "high"), [(n, *pair) for n, pair in STATED.items()])
def test_efficiencies_lie_within_what_is_stated(name, low, high):
    loss = facilities.converter(name)
    assert low - 1e-9 <= loss.efficiency(1.0) <= high + 1e-9
    assert loss.efficiency(0.5) <= 1


@pytest.mark.parametrize("name", facilities.converter_names())
def test_a_converter_goes_through_the_figures_of_its_file_and_scales(name):
    part, _ = facilities.figures("converter", name)
    for share, stated in ((1.0, part.full), (0.5, part.half), (0.2, part.fifth)):
        if stated is not None:
            assert facilities.converter(name).efficiency(share) == pytest.approx(stated)
            assert facilities.converter(name).scaled(2e6).efficiency(2e6 * share) == (
                pytest.approx(stated)
            )


def test_better_parts_lose_less_at_every_load():
    for better, worse in (
        ("psu-titanium", "psu-platinum"),
        ("busbar-800v", "busbar-48v"),
        ("ups-eco", "ups-double-conversion"),
    ):
        for share in (0.1, 0.2, 0.5, 0.8, 1.0):
            assert facilities.converter(better).loss_w(share) < (
                facilities.converter(worse).loss_w(share)
            )


def test_none_loses_nothing():
    assert facilities.converter("none").input_w(3.0) == 3.0


def test_every_figure_says_what_it_rests_on_and_none_from_memory_is_verified():
    page = (REPOSITORY / "docs/reference/sources.md").read_text("utf-8")
    known = set(re.findall(r"^- \*\*\[([^\]]+)\]\*\*", page, re.MULTILINE))
    named = [("converter", name) for name in facilities.converter_names()]
    named += [("cooling", name) for name in facilities.cooling_names()]
    for kind, name in named:
        _, stated = facilities.figures(kind, name)
        assert stated, name
        for figure in stated:
            assert set(figure.basis.sources) <= known, (name, figure.key)
            if "from-memory" in figure.basis.sources:
                assert figure.basis.status == "unverified", (name, figure.key)


def test_unknown_names_bring_the_nearest():
    with pytest.raises(CatalogError, match="unknown converter 'psu-titanum'; did you mean 'psu-ti"):
        facilities.converter("psu-titanum")
    with pytest.raises(CatalogError, match="unknown cooling type"):
        facilities.cooling_type("ice")


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ("{half: 0.95}", "made.yaml x: needs full"),
        ("{full: 1.2}", "made.yaml x: full: must be an efficiency"),
        ("{full: 0.99, half: 0.5}", "made.yaml x: no convex loss goes through"),
        ("{full: 0.9, fifth: 0.9}", "made.yaml x: half: needed"),
        ("{full: 94 %}", "made.yaml x: full: expected a number"),
    ],
)
def test_broken_files_are_refused(tmp_path, figures, words):
    file = tmp_path / "made.yaml"
    file.write_text(
        "bases:\n  b: {sources: [from-memory], kind: assumed, status: unverified}\n"
        f"parts:\n  x:\n    figures:\n      b: {figures}\n"
    )
    with pytest.raises(CatalogError, match=words):
        facilities.read_converters(file)
