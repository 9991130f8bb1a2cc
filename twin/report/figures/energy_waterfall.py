"""The energy ledger from the meter down to "useful": where did the electricity go?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from twin.report.figures.waterfall import Kind, waterfall
from twin.report.numbers import energy
from twin.report.theme import Shape
from twin.report.watts import ENERGY_ORDER, energy_colour

ENERGY = Kind(
    shares=ENERGY_ORDER,
    colour=energy_colour,
    whole="drawn",
    head="energy",
    of_whole="of all",
    amount=energy,
    nothing="no energy: the run has no length",
)


def energy_waterfall(ledger: Mapping[str, Any], shape: Shape) -> Figure:
    """Bars from all that the meter counted, less each share in turn, to what was useful.

    Parameters
    ----------
    ledger : mapping
        ``ledgers.energy`` of a summary: ``total`` and ``shares`` [J].
    """
    return waterfall(ledger, shape, ENERGY)
