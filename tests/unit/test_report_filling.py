"""The picture of sites that fill up: of runs in which more GPUs are asked for than there are."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from twin.report.figures.filling import Filling
from twin.report.figures.filling import filling as draw
from twin.report.filling import filling
from twin.report.theme import WIDE, run_strokes


def filled(most: float):
    """A run that allocates all up to 90 %."""
    arrived = np.linspace(0, most, 27)
    quantities = {"arrived_share": arrived, "allocated_share": np.minimum(arrived, 0.9)}
    parts = [
        pd.DataFrame({"time_s": np.arange(27.0), "domain": "site", "quantity": q, "value": v})
        for q, v in quantities.items()
    ]
    pool = parts[0].assign(domain="p", quantity="held_gpus")
    return SimpleNamespace(domains=pd.concat([pool, *parts]))


@pytest.mark.parametrize(("most", "shown"), [(1.3, True), (0.8, False)])
def test_it_is_there_if_more_came_than_there_is(most, shown):
    strokes = run_strokes(2, [0, 1])
    bare = SimpleNamespace(domains=pd.DataFrame(columns=["time_s", "domain", "quantity", "value"]))
    found = filling([bare, filled(most)], strokes)
    assert (found is not None) == shown
    assert filling([bare, SimpleNamespace()], strokes) is None


def test_lines_fall_and_then_stay():
    stroke = run_strokes(1, [0])[0]
    arrived = np.linspace(0, 1.3, 27)
    (axes,) = draw([Filling("A", stroke, arrived, np.minimum(arrived, 0.9))], WIDE).axes
    ideal, line = axes.lines
    np.testing.assert_allclose(ideal.get_xydata(), [[0, 1], [1, 0]])
    x, y = line.get_data()
    assert x.min() >= 0.75
    np.testing.assert_allclose(y, np.maximum(1 - x, 0.1))
    assert axes.get_xlim() == (0.75, 1.3)
