"""How much of a node's free GPUs the jobs that are expected could use."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.policies.shared_nodes import SharedNodes
from twin.site.shares import WHOLE, Ask, Typical

Ints = NDArray[np.int64]

NEVER = np.iinfo(np.int64).min
_MOST_REMEMBERED = 20_000_000  # GPUs times asks


class Fragmentation:
    """Usable and unusable free GPUs of nodes, over the distribution of expected jobs.

    Parameters
    ----------
    typical : Typical
        What is expected.
    popularity : float
        The most frequent asks that make up this share of all jobs count; the rest does not.
    pools : int
        Pools of the site.
    most_gpus : int
        GPUs of the largest node.

    Attributes
    ----------
    jobs : int
        Jobs that count, those without GPUs included.

    Notes
    -----
    For a node with free shares ``f_g`` and a typical job ``m``, all of ``R = sum f_g`` is a
    fragment if the node cannot take ``m``; otherwise the GPUs with ``f_g`` below what ``m`` asks
    of each are. ``F`` is the mean over jobs [weng2023]. With ``A(f)`` the number of
    jobs of one GPU that ask for at most ``f`` of it, and ``B(k)`` of those that ask for 2 to ``k``
    whole ones, both counted over the jobs for which the node has the CPUs and is of the right pool,

        jobs x (R - F) = sum_g f_g A(f_g) + 1000 k B(k),   k wholly free GPUs,

    because a job that no GPU can take counts for none of them. Both are looked up, so that the
    measure of a node costs a few look-ups whatever the number of typical jobs, and sums are of
    whole numbers: nodes that are alike have the same value to the bit. Jobs that ask for parts of
    several GPUs count as if they asked for them whole.
    """

    def __init__(self, typical: Typical, popularity: float, pools: int, most_gpus: int) -> None:
        ranked = sorted(
            zip(typical.counts, typical.asks, strict=True),
            key=lambda pair: (-pair[0], -pair[1].cpu_milli, -pair[1].milli, -pair[1].gpus),
        )
        wanted, counted = popularity * sum(typical.counts), 0
        kept: list[tuple[int, Ask]] = []
        for count, ask in ranked:
            if counted >= wanted:
                break
            kept.append((count, ask))
            counted += count
        self.jobs = counted
        self._memory: dict[Ask, _Gains] = {}
        self._levels = np.unique([ask.cpu_milli for _, ask in kept])
        shape = (pools, len(self._levels) + 1)
        self._single = np.zeros((*shape, WHOLE + 1), np.int64)
        self._several = np.zeros((*shape, most_gpus + 1), np.int64)
        for count, ask in kept:
            level = int(np.searchsorted(self._levels, ask.cpu_milli)) + 1
            for pool in ask.pools:
                if ask.gpus == 1:
                    self._single[pool, level:, ask.milli :] += count
                elif ask.gpus > 1:
                    self._several[pool, level:, ask.gpus :] += count

    def usable(self, pool: Ints, cpu_milli: Ints, free_milli: Ints) -> Ints:
        """(n,) thousandths of GPUs that the typical jobs could use, times their number.

        Parameters
        ----------
        pool, cpu_milli : (n,) arrays
            Pool and free CPUs of each node.
        free_milli : (n, n_gpu) array
            What is free of each of its GPUs.
        """
        level = np.searchsorted(self._levels, cpu_milli, "right")
        whole = (free_milli == WHOLE).sum(1)
        parts = (free_milli * self._single[pool[:, None], level[:, None], free_milli]).sum(1)
        found: Ints = parts + WHOLE * whole * self._several[pool, level, whole]
        return found

    def usable_after(self, pool: Ints, cpu_milli: Ints, free_milli: Ints, milli: int) -> Ints:
        """(n, n_gpu) the same with a part of each GPU in turn taken; -1 where too little is free.

        ``cpu_milli`` is what is left then.
        """
        level = np.searchsorted(self._levels, cpu_milli, "right")
        single = self._single[pool, level]
        rows = np.arange(len(pool))[:, None]
        parts = free_milli * single[rows, free_milli]
        left = np.maximum(free_milli - milli, 0)
        is_whole = free_milli == WHOLE
        whole = is_whole.sum(1)[:, None] - is_whole
        several = WHOLE * whole * self._several[pool[:, None], level[:, None], whole]
        found = parts.sum(1)[:, None] - parts + left * single[rows, left] + several
        return np.where(free_milli >= milli, found, -1)

    def gained(self, ask: Ask, nodes: SharedNodes) -> Ints:
        """What `usable` gains, most often less than nothing, where nodes take a job.

        Returns
        -------
        (n_node, n_gpu) array
            By GPU for a job that shares one; one column for others, which take the tightest. What
            cannot be has the least of all numbers.

        Notes
        -----
        Nodes that have not changed since a like job was asked about keep their numbers.
        """
        free, cpu_milli = nodes.free_milli, nodes.free_cpu_milli
        known = self._memory.get(ask)
        if known is None:
            if (len(self._memory) + 1) * free.size > _MOST_REMEMBERED and self._memory:
                del self._memory[next(iter(self._memory))]
            columns = free.shape[1] if ask.kind == 0 and ask.gpus == 1 else 1
            known = self._memory[ask] = _Gains(len(free), free.shape[1], columns)
        changed = np.flatnonzero((known.free != free).any(1) | (known.cpu_milli != cpu_milli))
        if len(changed):
            some, cpus = free[changed], cpu_milli[changed]
            known.free[changed], known.cpu_milli[changed] = some, cpus
            known.gains[changed] = self._gains(ask, nodes.pool[changed], cpus, some)
        return known.gains

    def _gains(self, ask: Ask, pool: Ints, cpu_milli: Ints, free_milli: Ints) -> Ints:
        before = self.usable(pool, cpu_milli, free_milli)[:, None]
        left = cpu_milli - ask.cpu_milli
        if ask.kind == 0 and ask.gpus == 1:
            after = self.usable_after(pool, left, free_milli, ask.milli)
            return np.where(after >= 0, after - before, NEVER)
        enough = free_milli >= max(ask.milli, 1)
        # The tightest GPUs that will do, as `tightest` has it, of all nodes at once.
        order = np.argsort(np.where(enough, free_milli, WHOLE + 1), axis=1, kind="stable")
        taken = np.zeros_like(free_milli)
        np.put_along_axis(taken, order[:, : ask.gpus], ask.milli, axis=1)
        can = enough.sum(1) >= ask.gpus
        after = self.usable(pool, left, np.maximum(free_milli - taken, 0))
        return np.where(can[:, None], after[:, None] - before, NEVER)


class _Gains:
    """Of one ask: what nodes looked like when they were last looked at, and what came of it."""

    __slots__ = ("cpu_milli", "free", "gains")

    def __init__(self, n_nodes: int, n_gpus: int, columns: int) -> None:
        self.free = np.full((n_nodes, n_gpus), -1, np.int16)
        self.cpu_milli = np.full(n_nodes, -1, np.int64)
        self.gains = np.zeros((n_nodes, columns), np.int64)


@lru_cache(maxsize=2)
def _table(typical: Typical, popularity: float, pools: int, most_gpus: int) -> Fragmentation:
    return Fragmentation(typical, popularity, pools, most_gpus)


def fragmentation(nodes: SharedNodes, popularity: float) -> Fragmentation:
    """The measure over the jobs expected on these nodes; made once a run."""
    return _table(nodes.typical, popularity, int(nodes.pool.max()) + 1, nodes.most_gpus)
