"""Where jobs may go: the shapes that they ask for, and those that reach into a cloud besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twin.policies.view import Shape
from twin.site.layout import Site


@dataclass(frozen=True)
class Ways:
    """Shapes of jobs that may overflow.

    Attributes
    ----------
    home : dict of int to Shape
        Index of a shape that reaches into a cloud -> the one that its jobs ask for.
    away : dict of (int, int) to Shape
        Index of a shape that jobs ask for, and a cloud -> the one that reaches there as well.
    """

    home: dict[int, Shape] = field(default_factory=dict)
    away: dict[tuple[int, int], Shape] = field(default_factory=dict)


def ways_to_clouds(
    shapes: Sequence[Shape], shape_of: NDArray[np.int32], site: Site, *, rents: bool
) -> tuple[list[Shape], NDArray[np.int32], Ways]:
    """Shapes without the pools that are clouds, and behind each those with one of them.

    Parameters
    ----------
    shapes : sequence of Shape
        By index, as if clouds were pools like any others.
    shape_of : (n_job,) array
        Shape index of each job.
    site : Site
    rents : bool
        Whether anything is ever rented. If not, jobs for which nothing but a cloud will do have no
        pool.

    Returns
    -------
    shapes, shape_of, Ways
        A job for which nothing but clouds will do asks for all of them.
    """
    clouds = set(site.cloud_pools)
    made: list[Shape] = []
    ways = Ways()
    new_index = np.zeros(len(shapes), np.int32)
    for shape in shapes:
        own = tuple(pool for pool in shape.pools if pool not in clouds)
        there = [pool for pool in shape.pools if pool in clouds] if rents else []
        asked = replace(shape, index=len(made), pools=own or tuple(there))
        new_index[shape.index] = asked.index
        made.append(asked)
        for pool in there:
            if asked.pools == (pool,):
                ways.away[asked.index, pool] = asked
                continue
            reach = replace(asked, index=len(made), pools=(*own, pool))
            ways.away[asked.index, pool] = reach
            ways.home[reach.index] = asked
            made.append(reach)
    return made, new_index[shape_of], ways
