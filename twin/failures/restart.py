"""What an interruption costs a job: what it had saved, and how long it takes to begin again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import inf

ANYTHING = frozenset({"*"})  # what a level survives that survives all


@dataclass(frozen=True)
class SaveLevel:
    """Where checkpoints go.

    Attributes
    ----------
    name : str
        Peer memory, local disk, storage.
    every : int
        It is written with every n-th checkpoint.
    write_s : float
        How long the job stands still. [s]
    flush_s : float
        How long the copy goes on behind it; only then is it safe. [s]
    read_s : float
        Time to read it back, sharing of the storage apart. [s]
    survives : set of str
        Levels of failure domains, and ``job``, after whose failure it can still be read.
    """

    name: str
    every: int
    write_s: float
    flush_s: float = 0.0
    read_s: float = 0.0
    survives: frozenset[str] = ANYTHING

    def outlives(self, hit: Collection[str]) -> bool:
        """Whether it can be read after faults at these levels."""
        return self.survives is ANYTHING or self.survives.issuperset(hit)


@dataclass(frozen=True)
class Storage:
    """What checkpoints are written to and read from, shared by all jobs. [bytes/s]"""

    read_bytes_per_s: float
    write_bytes_per_s: float
    node_read_bytes_per_s: float = inf
    node_write_bytes_per_s: float = inf


@dataclass(frozen=True)
class RestartModel:
    """Times and sizes of starting, saving and starting again.

    Attributes
    ----------
    startup_s, restart_s : float
        Container, framework and collectives, at the first start and after an interruption. [s]
    standby_nodes, standby_from_nodes : int
        Warm nodes that a job of at least so many nodes holds beside its gang.
    admit_gpus : float
        GPUs that may be restarting at one time.
    retries : float
        Interruptions after which a job is given up.
    kinds : set of str
        Kinds of jobs that save. Serving keeps no work that could be lost, other kinds lose all.
    levels : tuple of SaveLevel
        Fastest first; none if nothing is saved.
    state_bytes_per_gpu : float
        What each GPU of a job reads back from ``storage``; 0 if the levels say how long it takes.
    writes_state : bool
        Whether the last level's ``write_s`` follows from the state and the storage.
    """

    startup_s: float = 0.0
    restart_s: float = 0.0
    standby_nodes: int = 0
    standby_from_nodes: int = 2
    admit_gpus: float = inf
    retries: float = inf
    kinds: frozenset[str] = frozenset({"training", "batch"})
    levels: tuple[SaveLevel, ...] = ()
    state_bytes_per_gpu: float = 0.0
    writes_state: bool = False
    storage: Storage | None = None

    def levels_of(self, gpus: int, nodes: int) -> tuple[SaveLevel, ...]:
        """The levels as a job of this size meets them, alone at the storage.

        The larger of the whole state through the storage and a node's share through its own link
        (`docs/reference/sources.md`, checkpoint size and time).
        """
        if not self.writes_state or self.storage is None or not self.levels:
            return self.levels
        state_bytes = self.state_bytes_per_gpu * gpus
        write_s = max(
            state_bytes / self.storage.write_bytes_per_s,
            state_bytes / nodes / self.storage.node_write_bytes_per_s,
        )
        return (*self.levels[:-1], replace(self.levels[-1], write_s=write_s))

    def standbys(self, nodes: int) -> int:
        """Warm nodes of a job of so many nodes."""
        return self.standby_nodes if nodes >= self.standby_from_nodes else 0
