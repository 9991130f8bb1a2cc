"""Caps that cannot be kept: below what stands there draws with every job paused."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.facility.model import PowerModel
from twin.kernel.power_tree import PowerTree
from twin.site.domains import Domains
from twin.units import format_si

Array = NDArray[np.float64]


def check_caps(model: PowerModel, domains: Domains, *, may_darken: bool) -> None:
    """Refuse caps below what a domain draws at rest, or, where nodes may go dark, with all off.

    Parameters
    ----------
    may_darken : bool
        Whether the lighting policy may switch nodes off.

    Raises
    ------
    InputError
        With the domain, what it draws and what to write instead.
    """
    tree = PowerTree(model, domains)
    tree.set_cooling([model.cooling.curve(hall, 0.0) for hall in range(len(domains.site.halls))], 0)
    of_pool = [node.off_w if may_darken else node.idle_w for node in model.nodes]
    least = tree.flow(np.array(of_pool)[domains.site.node_pool])[1]
    for at, level in enumerate(tree.levels):
        where = f"power.levels.{level.level}"
        _check(level.level, model.domains[at].rated_w, least[at], where, domains, may_darken)
    for event in model.caps:
        at = tree.by_name[event.level].at
        cap_w = np.full(tree.levels[at].n, inf)
        cap_w[event.units] = event.cap_w
        where = f"power.caps ({event.why!r})"
        _check(event.level, cap_w, least[at], where, domains, may_darken)


def _check(
    level: str, cap_w: Array, least_w: Array, where: str, domains: Domains, may_darken: bool
) -> None:
    short = np.flatnonzero(cap_w < least_w)
    if not len(short):
        return
    unit = int(short[0])
    state = "with all nodes off" if may_darken else "at rest"
    remedy = "" if may_darken else ", or let nodes go dark: policies.lighting: nameplate"
    raise InputError(
        f"{where}: {domains.name(level, unit)} may draw {format_si(float(cap_w[unit]), 'W')}, but "
        f"draws {format_si(float(least_w[unit]), 'W', 4)} {state}, losses included; give at least "
        f"that{remedy}"
    )
