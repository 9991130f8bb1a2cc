"""The tables of built-in policies in the how-to pages name all there are, with their options."""

import re
from dataclasses import fields, is_dataclass

import pytest
from blocks import ROOT

from twin.policies.placements.best_fit import BestFit
from twin.registry import POLICY_KINDS, option_of

PAGE = (ROOT / "docs/howto/write-a-power-policy.md").read_text("utf-8")
SCHEDULING = (ROOT / "docs/explanation/scheduling.md").read_text("utf-8")
BUILT_IN = [
    (kind, name)
    for kind in ("power", "lighting", "admission")
    for name in POLICY_KINDS[kind].names()
    if POLICY_KINDS[kind].get(name).__module__.startswith("twin.policies.")
]


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_every_policy_is_listed_with_its_options(kind, name):
    row = re.search(rf"^\| `{name}` \|([^|]*)\|", PAGE, re.MULTILINE)
    assert row, name
    cls = POLICY_KINDS[kind].get(name)
    options = {option_of(f.name) for f in fields(cls)} if is_dataclass(cls) else set()
    assert set(re.findall(r"`(\w+)`", row[1])) == options - {"period", "delay"}


def test_placements_of_gangs_are_listed_with_their_options():
    placements = POLICY_KINDS["placements"]
    built_in = [n for n in placements.names() if "twin.policies." in placements.get(n).__module__]
    # Those for shared GPUs place whole ones as best fit does.
    gangs = [n for n in built_in if n == "best-fit" or placements.get(n).place is not BestFit.place]
    table = SCHEDULING.partition("## Other placements")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|([^|]*)\|", table, re.MULTILINE))
    assert sorted(rows) == sorted(gangs)
    for name in gangs:
        options = [option_of(field.name) for field in fields(placements.get(name))]
        assert re.findall(r"`(\w+)`", rows[name]) == options, name
