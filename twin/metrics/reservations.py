"""Reservations: what was asked for, what its jobs made of it, and what others gave up for it."""

from __future__ import annotations

from typing import Any

from twin.results.outcome import Outcome


def reservations(outcome: Outcome) -> dict[str, Any]:
    """The section ``reservations`` of the summary, by name.

    Notes
    -----
    ``reserved_node_s`` is ``used_node_s`` + ``idle_node_s`` + ``others_node_s`` +
    ``short_node_s``: see `twin.results.reservations`.
    """
    assert outcome.reservations is not None
    table = outcome.reservations.set_index("name")
    return {str(name): dict(row) for name, row in table.to_dict("index").items()}
