"""Scenarios at fault, each beside the message that it must give; ``...`` stands for anything."""

import re
from pathlib import Path

import pytest

from twin.errors import ScenarioError
from twin.scenario.load import load

INVALID = Path(__file__).parents[1] / "scenarios" / "invalid"


@pytest.mark.parametrize("name", sorted(path.stem for path in INVALID.glob("*.yaml")))
def test_an_invalid_scenario_gives_its_message(name, monkeypatch):
    monkeypatch.chdir(INVALID)
    with pytest.raises(ScenarioError) as caught:
        load(f"{name}.yaml")
    expected = Path(f"{name}.txt").read_text().splitlines()
    said = str(caught.value).splitlines()
    assert len(said) == len(expected), caught.value
    for line, pattern in zip(said, expected, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), line), line
