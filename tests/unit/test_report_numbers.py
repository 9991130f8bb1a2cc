"""Numbers as people read them, and the theme's promises about colour."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.colors import to_rgb

from twin.report import numbers
from twin.report.figures.time_axis import in_words
from twin.report.sizes import SIZE_CLASSES
from twin.report.theme import ENERGY_COLOURS, RUN_COLOURS, RUN_DASHES, SHARE_COLOURS, SIZE_COLOURS
from twin.report.watts import ENERGY_ORDER, energy_colour
from twin.tables import ENERGY_SHARES, GPU_TIME_SHARES, HEADLINES, Headline


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.6123, "61.2 %"),
        (0, "0 %"),
        (1, "100 %"),
        (1e-5, "<0.1 %"),
        (0.99999, ">99.9 %"),
        (float("nan"), "–"),
    ],
)
def test_percent(fraction: float, text: str) -> None:
    assert plain(numbers.percent(fraction)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (90, "1.5 min"), (-7200, "−2.0 h"), (float("nan"), "–")]
)
def test_duration(seconds: float, text: str) -> None:
    assert plain(numbers.duration(seconds)) == text


def test_instant_counts_days_and_clock_from_the_start() -> None:
    assert plain(numbers.instant(3 * 86400 + 4 * 3600 + 5 * 60 + 59)) == "day 3, 04:05"


def test_gpu_hours() -> None:
    assert numbers.gpu_hours(3600 * 2_951_817) == "2,951,817"
    assert numbers.gpu_hours(360) == "0.1"


@pytest.mark.parametrize(
    ("change", "text"),
    [(0.067, "+6.7 %"), (-0.45, "−45 %"), (9.5, "10×"), (0, "0 %"), (-1, "−100 %")],
)
def test_relative(change: float, text: str) -> None:
    assert plain(numbers.relative(change)) == text


_HALF = {"s": "0.5 s", "W": "0.5 W", "USD": "0.50 USD", "kg": "0.5 kg"}


@pytest.mark.parametrize(
    ("watts", "text"),
    [(0, "0 W"), (495e3, "495 kW"), (999.7, "1 kW"), (-2.5e6, "−2.5 MW"), (float("inf"), "–")],
)
def test_power(watts: float, text: str) -> None:
    assert plain(numbers.power(watts)) == text


def test_energy_is_written_as_on_bills() -> None:
    assert plain(numbers.energy(3.6e9)) == "1 MWh"


def test_money_mass_and_volume() -> None:
    assert plain(numbers.money(12.345)) == "12.35 USD"  # the nearest double lies above
    assert plain(numbers.money(-1234.4)) == "−1,234 USD"
    assert [plain(numbers.mass(kg)) for kg in (12.5, 9999, 25_000)] == [
        "12.5 kg",
        "9,999 kg",
        "25 t",
    ]
    assert plain(numbers.volume(2.5e6)) == "2,500 m³"


def test_every_headline_is_written_with_its_unit() -> None:
    for entry in HEADLINES:
        text = plain(numbers.headline(entry, 0.5))
        share = entry.key.split(".")[-1] in numbers.FRACTIONS
        expected = "50.0 %" if share else _HALF.get(entry.unit, "0.5")
        if entry.key.split(".")[-1] in numbers.INDICES:
            expected = "0.50"
        assert text == ("0.500" if entry.key == "power.pue" else expected)


def test_differences_of_fractions_are_points() -> None:
    entry = Headline("utilisation", "utilisation", "", "more")
    assert plain(numbers.difference(entry, -0.033)) == "−3.3 points"


@pytest.mark.parametrize(("seconds", "text"), [(1, "1 s"), (600, "10 min"), (86400, "1 d")])
def test_ticks_in_words(seconds: float, text: str) -> None:
    assert plain(in_words(seconds)) == text


def test_size_classes_have_no_gap_and_no_overlap() -> None:
    for one, following in itertools.pairwise(SIZE_CLASSES):
        assert following.low == one.high + 1
    assert [plain(size.name) for size in SIZE_CLASSES] == [
        "1 GPU", "2–8 GPUs", "9–64 GPUs", "65–512 GPUs", "> 512 GPUs",
    ]  # fmt: skip


def luma(colour: str) -> float:
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_every_share_has_a_colour_of_its_own() -> None:
    assert list(SHARE_COLOURS) == [share.name for share in GPU_TIME_SHARES]
    assert len(set(SHARE_COLOURS.values())) == len(SHARE_COLOURS)


def test_neighbours_in_the_ledger_differ_in_greyscale() -> None:
    for one, following in itertools.pairwise(SHARE_COLOURS.values()):
        assert abs(luma(one) - luma(following)) > 0.06


def test_energy_has_colours_of_its_own_that_greyscale_keeps_apart() -> None:
    colours = [energy_colour(share.name) for share in ENERGY_ORDER]
    assert len(set(colours)) == len(colours) == len(ENERGY_SHARES)
    overheads = colours[: len(ENERGY_COLOURS) + 1]  # each can be next to the one after it
    assert all(abs(luma(a) - luma(b)) > 0.06 for a, b in itertools.pairwise(overheads))


def test_sizes_darken_with_size() -> None:
    assert [luma(c) for c in SIZE_COLOURS] == sorted((luma(c) for c in SIZE_COLOURS), reverse=True)


def test_runs_differ_in_colour_and_dash() -> None:
    assert (
        len(set(RUN_COLOURS))
        == len(RUN_COLOURS)
        == len(RUN_DASHES)
        == len(set(map(str, RUN_DASHES)))
    )
