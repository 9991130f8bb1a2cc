"""The life of one job under failures: its phase, its progress, and where its GPU-time went."""

from __future__ import annotations

from math import inf, nan

from simpy import Event

from twin.kernel.clock import Moment
from twin.kernel.draws import Draw
from twin.kernel.job import Job
from twin.kernel.progress import Progress
from twin.site.fleet import Fleet
from twin.site.shares import HeldParts

# The shares of GPU-time that a job can hold, in the order in which they are kept.
SHARES = (
    "startup",
    "restart",
    "checkpoint",
    "lost",
    "exposed_comm",
    "throttled",
    "straggling",
    "interference",
    "useful",
    "stranded",
    "spare",
)
STARTUP, RESTART, CHECKPOINT, LOST, EXPOSED_COMM, THROTTLED = range(6)
STRAGGLING, INTERFERENCE, USEFUL, STRANDED, SPARE = range(6, 11)

# Phases. AWAY: it holds nothing and waits in the queue. STARTING: its first start. SAVING: it
# writes a checkpoint before it leaves a node. IDLED: interrupted, holding what is left of its
# gang. RESTARTING: beginning again.
AWAY, STARTING, RUNNING, SAVING, IDLED, RESTARTING = range(6)


class Life:
    """What the kernel knows of a job from its first start to its end.

    Attributes
    ----------
    phase : int
    since_s : float
        Up to when its GPU-time is accounted for. [s]
    event : Event or None
        The one event that it waits for; any other that fires is out of date.
    spent, joules : list of float
        GPU-time by `SHARES`, and the energy of the GPUs in it. [GPU s], [J]
    power_w, idle_w : float
        What each GPU draws that was asked for, and one at rest. [W]
    work_w, save_w : float
        Of the former, while it computes and while it saves; 0 if it does not save. [W]
    share : float
        Part that it gets of each GPU that it holds; counts of GPUs are of such parts.
    whole_gpus : int
        GPUs that its gang takes, those not asked for included and standbys not.
    held_gpus : int
        GPUs held now; of these ``busy`` were asked for, ``surplus`` not, ``standby`` are warm.
    standby : set of int
        Nodes that stand by.
    rate : float
        Work done in a second of computing where nothing slows it, on the GPUs that it has.
    scale, speed, comm, throttle, calm : float
        Share of the gang that works, speed of its slowest part, what slow links leave of that,
        what caps leave of it, and what neighbours on the same GPUs leave of it all.
    may_change : bool
        Whether its GPUs have not always been as many and as fast as it asked for.
    fruitless : int
        Times in a row that it gave way and nothing was kept of what it had done since the last.
    kept_s : float
        Work that it had when it last gave way. [s]
    preempted : bool
        Whether it gave way to another job and has not run since.
    saves_all : bool
        Whether all its work will be safe once it has given way.
    finish_s : float
        When it will have done its work, if nothing changes. [s]
    incident : int
        The one that interrupted it last.
    known : bool
        Whether somebody knows that it stands still, once it does.
    slow_incident, link_incident : int
        Those that slow down its slowest part and its links; -1 if none.
    interrupted_s, away_s : float
        Since when it is interrupted (NaN if it is not), and for how long it was, in all. [s]
    interruptions, hits : int
        Times that it was stopped while it ran or started, and faults in all, those that hit it
        while it was recovering included.
    hit : set of str
        Levels of the faults since it last ran: what is saved must outlive them. ``gang``: it gave
        all back.
    clean_s : float
        Work that was saved before it became corrupt without anybody knowing; ``inf`` if it is not
        corrupt. [s]
    leaving : dict of int to list of object
        Nodes that it leaves once it has saved, and why: all who wait for that.
    lost_nodes : list of int
        Nodes that it lost and that nothing has taken the place of.
    troubled : list of int
        Incidents that are not over for it until it runs again.
    part : float
        Share of the time of its GPUs that is its own; a guest has the rest, or is one.
    is_guest : bool
        Whether it runs in the gaps of replicas of a service.
    lent_gpus, lent_gpu_s : float
        GPUs whose time it leaves to others, below zero for those that it gets so, now and over its
        time so far. [GPU s]
    shrunk, rejoins : bool
        Whether it runs with fewer replicas, and whether lost ones join without stopping the rest.
    software : (time_s, class)
        Its next software fault.
    spells : list of float or None
        Of a replica of a service, when it began to work, stopped, began again, ... [s]
    restart, station
        Its way through `twin.kernel.restarts`.
    """

    __slots__ = (
        "allocations",
        "away_s",
        "busy_gpus",
        "calm",
        "clean_s",
        "comm",
        "draw",
        "estimate_s",
        "event",
        "finish_s",
        "fruitless",
        "held_gpus",
        "hit",
        "hits",
        "idle_w",
        "incident",
        "interrupted_s",
        "interruptions",
        "is_guest",
        "job",
        "joules",
        "kept_s",
        "known",
        "leaving",
        "lent_gpu_s",
        "lent_gpus",
        "link_incident",
        "lost_nodes",
        "may_change",
        "node_gpus",
        "part",
        "phase",
        "pool",
        "power_w",
        "preempted",
        "preemptions",
        "progress",
        "ran_s",
        "rate",
        "reads_storage",
        "rejoining",
        "rejoins",
        "restart",
        "restarts",
        "runs",
        "save_w",
        "saves_all",
        "scale",
        "share",
        "shrunk",
        "since_s",
        "slow_incident",
        "software",
        "speed",
        "spells",
        "spent",
        "standby",
        "standby_gpus",
        "station",
        "surplus_gpus",
        "throttle",
        "troubled",
        "whole_gpus",
        "work_w",
    )

    def __init__(self, job: Job, progress: Progress) -> None:
        self.job = job
        self.progress = progress
        self.estimate_s = job.estimate_s
        self.phase = AWAY
        self.since_s = 0.0
        self.event: Moment | None = None
        self.spent = [0.0] * len(SHARES)
        self.joules = [0.0] * len(SHARES)
        self.power_w = self.idle_w = self.work_w = self.save_w = 0.0
        self.draw: Draw | None = None
        self.allocations: dict[int, int] = {}  # node -> row of the table of allocations
        self.pool = -1
        self.node_gpus = 0
        self.share: float = 1
        self.whole_gpus = 0
        self.held_gpus = self.busy_gpus = self.surplus_gpus = self.standby_gpus = 0
        self.standby: set[int] = set()
        self.leaving: dict[int, list[object]] = {}
        self.lost_nodes: list[int] = []
        self.troubled: list[int] = []
        self.scale = self.speed = self.comm = self.throttle = self.calm = self.part = 1.0
        self.rate = 1.0
        self.is_guest = False
        self.lent_gpus = self.lent_gpu_s = 0.0
        self.may_change = self.preempted = self.saves_all = False
        self.finish_s = inf
        self.fruitless = 0
        self.kept_s = 0.0
        self.incident = self.slow_incident = self.link_incident = -1
        self.known = False
        self.interrupted_s = nan
        self.away_s = self.ran_s = 0.0
        self.interruptions = self.restarts = self.preemptions = self.runs = self.hits = 0
        self.hit: set[str] = set()
        self.clean_s = inf
        self.shrunk = self.rejoins = False
        self.rejoining: Event | None = None
        self.software: tuple[float, int] = (inf, -1)
        self.spells: list[float] | None = [] if job.run_s == inf else None
        self.station = 0
        self.reads_storage = False
        self.restart: tuple[float, float, int, int] = (0.0, 0.0, 0, 0)

    @property
    def pace(self) -> float:
        """Work done in a second of computing."""
        return self.rate * self.quality

    @property
    def quality(self) -> float:
        """The share of its GPUs' time that is work, while it computes."""
        return self.scale * self.speed * self.comm * self.throttle * self.calm * self.part

    @property
    def gang_nodes(self) -> int:
        """Nodes that it holds and that do not stand by."""
        return len(self.job.held) - len(self.standby)

    @property
    def idled_gpus(self) -> int:
        """GPUs that stand still with it; those of a guest are counted with its host."""
        return 0 if self.is_guest else self.busy_gpus

    @property
    def missing_gpus(self) -> int:
        """GPUs that its gang lacks."""
        return max(self.whole_gpus - self.held_gpus, 0)

    def book(self, share: int, gpu_s: float, gpu_w: float) -> None:
        """So much GPU-time went there, each GPU drawing so much."""
        self.spent[share] += gpu_s
        self.joules[share] += gpu_s * gpu_w

    def settle_in(self, fleet: Fleet) -> None:
        """It was given a whole gang: the last nodes of it are its standbys, if it has any."""
        job = self.job
        self.pool = fleet.node_pool[next(iter(job.held))]
        self.node_gpus = fleet.site.pools[self.pool].gpus_per_node
        self.share = job.held.share if isinstance(job.held, HeldParts) else 1
        gpus = sum(map(int.bit_count, job.held.values()))
        self.whole_gpus = self.share * gpus  # type: ignore[assignment] # parts of GPUs
        standby_gpus = job.shape.standby_gpus
        if standby_gpus:
            self.standby = set(list(job.held)[-(standby_gpus // self.node_gpus) :])
            self.whole_gpus -= standby_gpus
        self.scale = self.throttle = self.calm = self.part = 1.0
        self.shrunk = False

    def leave_all(self) -> None:
        """It holds no node any more."""
        self.allocations.clear()
        self.leaving.clear()
        self.lost_nodes.clear()
        self.standby.clear()
        self.phase = AWAY
        self.event = self.rejoining = None

    def promote_standbys(self) -> None:
        """Standbys take the places of lost nodes, so fewer stand by."""
        while len(self.standby) * self.node_gpus > self.standby_gpus:
            self.standby.remove(max(self.standby))

    def count(self, held_gpus: int) -> None:
        """Divide what it holds into what was asked for, what was not, and standbys."""
        gang = min(held_gpus, self.whole_gpus)
        self.held_gpus = held_gpus
        self.standby_gpus = held_gpus - gang
        self.surplus_gpus = min(self.whole_gpus - self.job.gpus, gang)
        self.busy_gpus = gang - self.surplus_gpus
        if self.part != 1.0:
            asked_gpus = self.busy_gpus
            self.busy_gpus = self.part * asked_gpus  # type: ignore[assignment] # parts of GPUs
            self.lent_gpus = asked_gpus - self.busy_gpus
        else:
            self.lent_gpus = 0.0
        if self.is_guest:
            self.lent_gpus = -self.busy_gpus
