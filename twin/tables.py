"""Each table, column and ledger share, once: name, dtype, unit and meaning.

Recorder, readers, metrics, figures and the reference page of the documentation all take them from
here. Names are a contract with people's scripts: add freely, change only with a major version.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

DType = Literal["float64", "int64", "int32", "string", "category"]


@dataclass(frozen=True)
class Column:
    """One column. ``unit`` is empty for counts, fractions and text."""

    name: str
    dtype: DType
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One table of a run directory, its columns in their order."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")


def _table(name: str, meaning: str, columns: Iterable[tuple[str, DType, str, str]]) -> Table:
    return Table(name, meaning, tuple(Column(*column) for column in columns))


@dataclass(frozen=True)
class Share:
    """One share of a ledger: each interval of each GPU belongs to exactly one."""

    name: str
    label: str
    meaning: str


GPU_TIME_SHARES: tuple[Share, ...] = (
    Share("dark", "dark", "not powered: a cap or a policy keeps it off; or not rented"),
    Share("down", "down", "failed, in repair or in maintenance"),
    Share("spare", "spare", "held back to replace what fails"),
    Share("idle", "idle", "free, or left by a replica, and no work waits that may use it"),
    Share(
        "stranded",
        "stranded",
        "free while work waits (fragmentation, reservation), or held and not asked for",
    ),
    Share(
        "startup", "start-up", "allocated: container, framework and data loading before first work"
    ),
    Share("restart", "restart", "allocated: the same again after an interruption"),
    Share("checkpoint", "checkpoint", "allocated: stalled while state is written"),
    Share("lost", "lost", "work done and rolled back"),
    Share("exposed_comm", "exposed communication", "allocated: waiting for the network"),
    Share("throttled", "throttled", "allocated: slowed by a power or thermal cap"),
    Share("straggling", "straggling", "allocated: waiting for a slow peer"),
    Share("interference", "interference", "allocated: slowed by a job on the same hardware"),
    Share("useful", "useful", "work that counts"),
)

ENERGY_SHARES: tuple[Share, ...] = (
    *(
        share
        for share in GPU_TIME_SHARES
        if share.name not in ("dark", "down", "idle", "stranded", "spare", "useful")
    ),
    Share("spare", "spare", "GPUs at rest, held back to replace what fails"),
    Share("idle", "idle", "GPUs at rest that are free, or on a node that is in service"),
    Share("stranded", "stranded", "GPUs at rest while work waits, or held and not asked for"),
    Share("dark", "dark", "nodes that are off or waking"),
    Share("host", "hosts", "CPUs, memory, NICs and fans of nodes that are on"),
    Share("network", "network", "switches and optics"),
    Share("conversion", "conversion", "lost in power supplies, PDUs, UPS and transformers"),
    Share("cooling", "cooling", "fans, pumps and chillers of the halls"),
    Share("useful", "useful", "GPUs at work that counts"),
)

JOB_STATES = ("completed", "failed", "rejected", "running", "queued")
JOB_KINDS = ("training", "batch", "interactive", "serving")

# What is to be done: the one table that readers and generators make and the kernel starts from.
WORKLOAD = _table(
    "workload",
    "one row per job in queue order: submit time, ties in input order",
    [
        ("job_id", "string", "", "the trace's own id; the row number where it has none"),
        ("submit_s", "float64", "s", "submit time since the scenario's start"),
        ("run_s", "float64", "s", "duration of the work at nominal speed"),
        ("gpus", "int32", "", "GPUs asked for, all or none"),
        ("nodes", "int32", "", "nodes asked for; 0 if not stated"),
        ("cpus", "float64", "", "CPU cores asked for, in all; NaN if not stated"),
        ("memory_bytes", "float64", "bytes", "host memory asked for, in all; NaN if not stated"),
        ("gpu_fraction", "float64", "", "share of each GPU asked for; 1 is the whole GPU"),
        ("user", "category", "", "who submitted it; empty if not stated"),
        ("group", "category", "", "group, queue or virtual cluster; empty if not stated"),
        ("priority", "int32", "", "higher goes first under policies that heed it; 0 if not stated"),
        ("estimate_s", "float64", "s", "the user's estimate of run_s; NaN if not stated"),
        ("kind", "category", "", "training, batch, interactive or serving"),
        ("model", "category", "", "name of the model trained or served; empty if not stated"),
        ("pool", "category", "", "the only pool that will do; empty for any"),
        ("deadline_s", "float64", "s", "when it should have ended; NaN if there is no deadline"),
        ("qos", "category", "", "class of service; empty if not stated"),
        ("min_gpus", "int32", "", "fewest GPUs that it can work on; 0: as many as it asks for"),
        ("max_gpus", "int32", "", "most GPUs that it can make use of; 0: as many as it asks for"),
        ("gpu_types", "category", "", "GPU types that will do, joined by |; empty for any"),
        ("until_s", "float64", "s", "until when a service wants this replica; NaN for a job"),
        ("data_bytes", "float64", "bytes", "moved back at its end from a cloud; NaN if not stated"),
    ],
)

# What the columns of a foreign trace can be mapped to -> our column, and the factor to SI.
# A job's duration is also told by ``start_s`` and ``end_s``.
_TIME_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("min", 60.0), ("h", 3600.0))
_MEMORY_UNITS = (
    *(("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12)),
    *(("kib", 2.0**10), ("mib", 2.0**20), ("gib", 2.0**30), ("tib", 2.0**40)),
)
TRACE_COLUMNS: dict[str, tuple[str, float]] = {
    **{name: (name, 1.0) for name in WORKLOAD.names() if name != "until_s"},
    **{
        f"{what}_{unit}": (f"{what}_s", factor)
        for what in ("submit", "start", "end", "run", "estimate", "deadline")
        for unit, factor in _TIME_UNITS
    },
    **{
        f"{what}_{unit}": (f"{what}_bytes", factor)
        for what in ("memory", "data")
        for unit, factor in _MEMORY_UNITS
    },
}

JOBS = _table(
    "jobs",
    "one row per job in queue order",
    [
        ("job_id", "string", "", "as in the trace"),
        ("submit_s", "float64", "s", "submit time"),
        ("start_s", "float64", "s", "first start; NaN if never started"),
        ("end_s", "float64", "s", "end; NaN if it has not ended"),
        ("gpus", "int32", "", "GPUs asked for"),
        ("nodes", "int32", "", "nodes that held it at its last start; 0 if never started"),
        ("wait_s", "float64", "s", "start - submit"),
        ("jct_s", "float64", "s", "job completion time: end - submit"),
        ("run_s", "float64", "s", "work at nominal speed"),
        ("user", "category", "", "who submitted it"),
        ("group", "category", "", "group, queue or virtual cluster"),
        ("kind", "category", "", "training, batch, interactive or serving"),
        ("pool", "category", "", "the pool it ran in; empty if never started"),
        ("state", "category", "", "completed, failed, rejected, running or queued at the horizon"),
        ("restarts", "int32", "", "times it began again after an interruption"),
        ("preemptions", "int32", "", "times the scheduler took its GPUs away"),
        ("energy_j", "float64", "J", "energy drawn; NaN without a power model"),
        *((f"{s.name}_gpu_s", "float64", "GPU s", s.meaning) for s in GPU_TIME_SHARES),
        ("interruptions", "int32", "", "times a fault stopped it"),
        ("interrupted_s", "float64", "s", "from each interruption until it worked again, in all"),
        ("queued_s", "float64", "s", "time without GPUs in all, until its end or the horizon"),
        ("migrations", "int32", "", "times it left nodes and went on on others"),
        ("gpu_fraction", "float64", "", "share of each GPU asked for; 1 is the whole GPU"),
        ("deadline_s", "float64", "s", "when it should have ended; NaN if there is no deadline"),
        ("qos", "category", "", "class of service"),
        ("model", "category", "", "name of the model trained or served"),
        ("until_s", "float64", "s", "until when a service wants this replica; NaN for a job"),
        ("guest_fraction", "float64", "", "of its GPU-time, the part in the gaps of services"),
    ],
)

# Columns that runs of earlier versions lack, and what such runs would have in them.
JOBS_SINCE: dict[str, Any] = {
    "migrations": 0,
    "gpu_fraction": 1.0,
    "deadline_s": math.nan,
    "qos": "",
    "model": "",
    "until_s": math.nan,
    "guest_fraction": 0.0,
}

ALLOCATIONS = _table(
    "allocations",
    "one row per job and node that it held: who was where, when",
    [
        ("job", "int32", "", "row of the job in jobs.parquet"),
        ("node", "int32", "", "node id"),
        ("gpu_mask", "int64", "", "GPUs held on that node, one bit each, GPU 0 the lowest"),
        ("start_s", "float64", "s", "held from"),
        ("end_s", "float64", "s", "held to; the horizon if still held then"),
    ],
)

STAYS = _table(
    "stays",
    "one row per job and node on which it was a guest, on GPUs that a replica held meanwhile",
    [(c.name, c.dtype, c.unit, c.meaning) for c in ALLOCATIONS.columns],
)

INCIDENTS = _table(
    "incidents",
    "one row per thing that happened to hardware or power",
    [
        ("time_s", "float64", "s", "when it began"),
        ("component", "category", "", "class of the part"),
        ("component_id", "int64", "", "id of the part within its class"),
        ("domain", "string", "", "failure domain"),
        (
            "kind",
            "category",
            "",
            "fail_stop, slow, silent, degraded, maintenance, cap, breaker, thermal, reclaim",
        ),
        ("gpus_down", "int64", "", "GPUs taken down"),
        ("gpus_idled", "int64", "", "healthy GPUs idled in the gangs it hit"),
        ("nodes_hit", "int64", "", "nodes hit"),
        ("jobs_hit", "int64", "", "jobs hit"),
        ("users_hit", "int64", "", "users hit"),
        ("down_gpu_s", "float64", "GPU s", "GPU-time down"),
        ("idled_gpu_s", "float64", "GPU s", "GPU-time idled in gangs"),
        ("lost_gpu_s", "float64", "GPU s", "work rolled back"),
        ("restart_gpu_s", "float64", "GPU s", "GPU-time in restarts"),
        ("recovered_s", "float64", "s", "when parts and jobs were all well again; NaN if not yet"),
        ("slowed_gpu_s", "float64", "GPU s", "GPU-time that slow parts and links cost"),
    ],
)


@dataclass(frozen=True)
class Cost:
    """One kind of GPU-time that an incident costs."""

    name: str
    label: str
    meaning: str

    @property
    def column(self) -> str:
        """Its column in `INCIDENTS`, and its key in ``reliability.by_component``. [GPU s]"""
        return f"{self.name}_gpu_s"


INCIDENT_COSTS: tuple[Cost, ...] = (
    Cost("down", "down", "out of service until repaired, idle GPUs included"),
    Cost("idled", "idled", "healthy GPUs of a job that was hit, until it began again"),
    Cost("lost", "lost", "work rolled back"),
    Cost("restart", "restart", "beginning again: start-up, reading state back"),
    Cost("slowed", "slowed", "work that slow parts and links held up"),
)

TIMELINE = _table(
    "timeline",
    "exact time-weighted means per bin",
    [
        ("time_s", "float64", "s", "start of the bin"),
        ("busy_gpus", "float64", "", "GPUs that jobs asked for and hold"),
        ("idle_gpus", "float64", "", "free while no work waits"),
        ("stranded_gpus", "float64", "", "free while work waits, or held and not asked for"),
        ("down_gpus", "float64", "", "failed or in repair"),
        ("dark_gpus", "float64", "", "not powered"),
        ("spare_gpus", "float64", "", "held back"),
        ("queued_jobs", "float64", "", "jobs waiting"),
        ("queued_gpus", "float64", "", "GPUs that waiting jobs ask for"),
        ("running_jobs", "float64", "", "jobs running"),
        ("it_power_w", "float64", "W", "power of the IT equipment; NaN without a power model"),
        ("facility_power_w", "float64", "W", "power at the meter; NaN without a power model"),
        ("pue", "float64", "", "facility over IT power; NaN without a power model"),
        ("working_gpus", "float64", "", "of the busy GPUs, those that compute, at their speed"),
    ],
)

DOMAINS = _table(
    "domains",
    "time-weighted means per bin of single domains and pools, in long form",
    [
        ("time_s", "float64", "s", "start of the bin"),
        ("domain", "category", "", "pool or domain"),
        ("quantity", "category", "", "what is measured, with its unit as a suffix"),
        ("value", "float64", "", "mean over the bin"),
    ],
)

POWER = _table(
    "power",
    "one row per domain of the power tree, where power is computed",
    [
        ("level", "category", "", "node, rack, row, ups, hall or site"),
        ("unit", "int64", "", "number of the domain within its level"),
        ("domain", "string", "", "its name"),
        ("gpus", "int64", "", "GPUs below it"),
        ("nameplate_w", "float64", "W", "all nodes below it at most, network included"),
        ("cap_w", "float64", "W", "what it might draw, in the mean; inf without a cap"),
        ("least_cap_w", "float64", "W", "the same at its least"),
        ("mean_w", "float64", "W", "power drawn, in the mean"),
        ("peak_w", "float64", "W", "the most that it drew"),
        ("p99_w", "float64", "W", "what it drew less than for 99 % of the time"),
        ("peak_load", "float64", "", "the most that it drew over the cap then in force"),
        ("energy_j", "float64", "J", "energy drawn"),
        ("violation_s", "float64", "s", "time for which it drew more than its cap"),
        ("longest_violation_s", "float64", "s", "the longest stretch of that"),
        ("swing_w", "float64", "W", "swing of power within steps, P99 over time, peak to peak"),
        ("unsmoothed_swing_w", "float64", "W", "the same if nothing took it up"),
        ("dark_gpu_s", "float64", "GPU s", "GPU-time not powered"),
        ("throttled_gpu_s", "float64", "GPU s", "GPU-time that caps cost the jobs in it"),
    ],
)

RENTALS = _table(
    "rentals",
    "one row per node that was rented from a cloud, in the order of asking",
    [
        ("pool", "category", "", "the cloud"),
        ("node", "int32", "", "node id"),
        ("gpus", "int32", "", "its GPUs"),
        ("asked_s", "float64", "s", "when it was asked for: it is paid for from then on"),
        ("ready_s", "float64", "s", "when jobs could start on it; NaN if it was not there yet"),
        ("end_s", "float64", "s", "when it was given back or taken; the horizon if neither"),
        ("reclaimed", "int32", "", "1 if its provider took it back"),
        ("held_gpu_s", "float64", "GPU s", "GPU-time that jobs held on it"),
        ("billed_s", "float64", "s", "time billed: the time rented, rounded up"),
        ("usd", "float64", "USD", "rent"),
    ],
)

RUN_TABLES: tuple[Table, ...] = (JOBS, ALLOCATIONS, INCIDENTS, TIMELINE, DOMAINS)
# Only of runs in which power is computed; others, and earlier ones, have no such file.
POWER_TABLES: tuple[Table, ...] = (POWER,)
# Only of runs on sites with clouds.
CLOUD_TABLES: tuple[Table, ...] = (RENTALS,)
# Only of runs in which services leave gaps.
GUEST_TABLES: tuple[Table, ...] = (STAYS,)


# Headline figures of a run: key in summary.json (dotted), label, unit, and whether less is better.
@dataclass(frozen=True)
class Headline:
    """A figure of the summary that reports and comparisons show."""

    key: str
    label: str
    unit: str
    better: Literal["less", "more", "neither"]


HEADLINES: tuple[Headline, ...] = (
    Headline("utilisation", "utilisation", "", "more"),
    Headline("jobs.completed", "jobs completed", "", "more"),
    Headline("wait_s.mean", "mean wait", "s", "less"),
    Headline("wait_s.p50", "median wait", "s", "less"),
    Headline("wait_s.p99", "P99 wait", "s", "less"),
    Headline("wait_s.max", "longest wait", "s", "less"),
    Headline("queued_s.mean", "mean time queued", "s", "less"),
    Headline("queued_s.p50", "median time queued", "s", "less"),
    Headline("queued_s.p99", "P99 time queued", "s", "less"),
    Headline("jct_s.mean", "mean completion time (JCT)", "s", "less"),
    Headline("jct_s.p99", "P99 JCT", "s", "less"),
    Headline("bounded_slowdown.mean", "mean bounded slowdown", "", "less"),
    Headline("scheduling.jain", "Jain index of tenants", "", "more"),
    Headline("scheduling.rho_max", "worst finish-time fairness", "", "less"),
    Headline("scheduling.fragmentation", "fragmentation", "", "less"),
    Headline("scheduling.preemptions", "preemptions", "", "less"),
    Headline("scheduling.migrations", "migrations", "", "less"),
    Headline("scheduling.deadline_misses", "deadlines missed", "", "less"),
    Headline("reliability.mtti_s", "mean time to interruption (MTTI)", "s", "more"),
    Headline("reliability.ettr", "effective training time (ETTR)", "", "more"),
    Headline("reliability.goodput", "goodput of held GPU-time", "", "more"),
    Headline("reliability.availability", "GPU availability", "", "more"),
    Headline("makespan_s", "makespan", "s", "less"),
    Headline("services.served_share", "replicas served of those wanted", "", "more"),
    Headline("services.to_running_s.p99", "P99 from wanted to running", "s", "less"),
    Headline("power.useful_gpus", "useful GPUs", "", "more"),
    Headline("power.useful_gpus_per_mw", "useful GPUs per MW", "", "more"),
    Headline("power.mean_w", "mean power", "W", "less"),
    Headline("power.peak_w", "peak power", "W", "less"),
    Headline("power.pue", "PUE", "", "less"),
    Headline("power.powered_fraction", "powered fraction", "", "neither"),
    Headline("power.throttled_fraction", "throttled fraction", "", "less"),
    Headline("power.swing_w", "swing within steps (P99)", "W", "less"),
    Headline("power.cap_violation_s", "time above the cap", "s", "less"),
    Headline("cost.usd", "cost", "USD", "less"),
    Headline("cost.kgco2", "carbon", "kg", "less"),
)


def look_up(summary: dict[str, Any], key: str) -> Any:
    """The value under a dotted key of a summary, or None where the run has no such section."""
    value: Any = summary
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def tells(headline: Headline, summary: dict[str, Any]) -> bool:
    """Whether a headline figure of a run says something: not what is so in any run of its kind.

    Nothing is lost to faults where none can happen, and all waits are the first wait where nobody
    gives way.
    """
    section, _, name = headline.key.partition(".")
    if section == "reliability":
        return failures(summary) is not None
    if section == "queued_s":
        return name != "p50" and look_up(summary, headline.key) != look_up(
            summary, f"wait_s.{name}"
        )
    return look_up(summary, headline.key) is not None


_ROUNDING = 1e-12  # of a total: shares are sums of many differences of times


def gpu_time_bought(summary: dict[str, Any]) -> dict[str, Any] | None:
    """The GPU-time ledger without nodes of clouds while nobody rented them; None if there is none.

    The ledger itself has the whole quota, what is not rented as dark. Shares that are told or
    compared are of what was there, and what rounding alone has left in a share is nothing.
    """
    ledger = look_up(summary, "ledgers.gpu_time")
    if not ledger:
        return None
    nothing = _ROUNDING * ledger["total"]
    told = {name: part if part > nothing else 0.0 for name, part in ledger["shares"].items()}
    ledger = {**ledger, "shares": told}
    gone = look_up(summary, "cloud.unrented_gpu_hours")
    if gone is None:
        return ledger
    total = ledger["total"] - 3600.0 * gone
    dark = ledger["shares"]["dark"] - 3600.0 * gone
    dark = dark if dark > 1e-9 * ledger["total"] else 0.0  # both are sums of many terms
    return {**ledger, "total": total, "shares": {**ledger["shares"], "dark": dark}}


def failures(summary: dict[str, Any]) -> dict[str, Any] | None:
    """The section ``reliability`` of a summary; None if nothing could fail in that run.

    A run with spares or start-up times alone has the section too, with nothing in it to tell, and
    caps of power are told of elsewhere.
    """
    found = look_up(summary, "reliability")
    if not isinstance(found, dict) or "by_component" not in found:
        return None
    expected = any(size["expected_mtti_s"] is not None for size in found["by_size"])
    return found if found["incidents"] > found.get("caps", 0) or expected else None
