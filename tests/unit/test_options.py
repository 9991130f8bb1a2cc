"""What is told of the options of a policy: read off its fields, their types and their comments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

import pytest

from twin.listing import listing
from twin.options import Option, docstring, options_of, sources_of
from twin.registry import POLICY_KINDS, make_policy

BUILT_IN = [
    (kind, name)
    for kind, registry in POLICY_KINDS.items()
    for name in registry.names()
    if registry.get(name).__module__.startswith("twin.policies.")
]


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base."""

    depth: int = 5  # how far
    mode: Literal["a", "b", "c"] = "a"  # which way


@dataclass(frozen=True, kw_only=True)
class Policy(Base):
    """Does something [smith1956], as Slurm does [slurm-priority]; [caps] is no source.

    So again [smith1956].
    """

    mode: Literal["a", "b", "c"] = "b"
    # Above the field,
    # on two lines.
    wait_s: float = 90.0
    limit_s: float = inf  # "a # in a text" does not begin it
    needed_s: float
    share: tuple[float, ...] = (0.25, 1.0)
    pair: tuple[int, int] = (1, 2)
    weights: Mapping[str, float] = field(default_factory=lambda: {"x": 2.0})
    keep: bool = True
    mark: str = "#"  # the sign


def test_options_are_read_off_the_fields():
    assert options_of(Policy) == [
        Option("depth", "whole number", "5", "how far"),
        Option("mode", "`a`, `b` or `c`", "b", "which way"),
        Option("wait", "duration", "1.5 min", "Above the field, on two lines."),
        Option("limit", "duration", "no limit", '"a # in a text" does not begin it'),
        Option("needed", "duration", "", ""),
        Option("share", "list of numbers", "[0.25, 1]", ""),
        Option("pair", "list of 2 whole numbers", "[1, 2]", ""),
        Option("weights", "mapping from names to numbers", "{x: 2}", ""),
        Option("keep", "true or false", "true", ""),
        Option("mark", "text", "#", "the sign"),
    ]


def test_sources_are_the_keys_cited_each_once():
    assert sources_of(Policy) == ["smith1956", "slurm-priority"]


def test_what_is_no_dataclass_has_no_options_and_what_says_nothing_no_docstring():
    class Plain:
        pass

    @dataclass
    class Silent:
        x: int = 1

    assert options_of(Plain) == []
    assert docstring(Plain) == docstring(Silent) == ""


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_every_option_of_every_policy_has_a_meaning(kind, name):
    cls = POLICY_KINDS[kind].get(name)
    assert docstring(cls)
    page, lines = listing(kind, name), listing(kind).splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[0] == name)
    below = " ".join(line.strip() for line in lines[at + 1 : at + 12])
    for option in options_of(cls):
        assert option.meaning, option.name
        assert option.meaning in page
        assert f"{option.name}: " in below


def test_a_default_as_told_is_one_that_may_be_given():
    for name, option, value in (
        ("tiresias", "thresholds_gpu_h", [1, 10]),
        ("gavel", "round", "6 min"),
        ("multifactor", "half_life", "7 d"),
    ):
        told = {
            each.name: each.default for each in options_of(POLICY_KINDS["schedulers"].get(name))
        }
        assert told[option] == str(value)
        assert make_policy("schedulers", name, {option: value}) == make_policy(
            "schedulers", name, {}
        )
