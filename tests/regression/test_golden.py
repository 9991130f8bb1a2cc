"""A small run, field by field, as it was when somebody last looked at it."""

import json

import pytest
from make_golden import GOLDEN, summary


def flat(value, path=""):
    """Leaves of nested mappings and lists by dotted path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{path}.{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{path}.{i}").items()}
    return {path: value}


def test_summary_is_the_golden_one():
    golden, found = flat(json.loads(GOLDEN.read_text())), flat(summary())
    assert found.keys() == golden.keys()
    for path, value in golden.items():
        if isinstance(value, float):
            assert found[path] == pytest.approx(value, rel=1e-9), path
        else:
            assert found[path] == value, path
