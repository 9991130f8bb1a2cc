"""What the meters saw, as tables: every domain of the power tree, and the site over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.facility.tariff import Tariff
from twin.kernel.meter import PowerRecord
from twin.kernel.recorder import Record
from twin.kernel.timeline import bin_means
from twin.site.domains import Domains, sum_by
from twin.site.layout import Site

Array = NDArray[np.float64]

_MOST_SWINGS = 5_000_000  # changes of jobs times the units that they stand in
_SHOWN = 64  # units of a level beyond which a series for each would be too many to look at


@dataclass(frozen=True)
class PowerSeen:
    """The meters over time, for what is computed from a finished run.

    Attributes
    ----------
    time_s, meter_w, it_w, cooling_w, heat_w : (n_change,) arrays
        What the site, its IT equipment and its cooling draw, and the heat that is carried away,
        from each change to the next. [s], [W]
    dark_gpu_s : dict of str to float
        GPU-time by the reason why it was dark. [GPU s]
    clocks, clock_gpu_s : (n_span,) arrays
        Mean clock of GPUs at work, and the GPU-time at it.
    decisions : int
        Decisions of the power policy.
    """

    time_s: Array
    meter_w: Array
    it_w: Array
    cooling_w: Array
    heat_w: Array
    dark_gpu_s: dict[str, float]
    clocks: Array
    clock_gpu_s: Array
    decisions: int

    def dim_gpu_s(self, below: float) -> float:
        """GPU-time at work below a clock. [GPU s]"""
        return float(self.clock_gpu_s[self.clocks < below].sum())

    def clock_quantiles(self, quantiles: Sequence[float]) -> dict[str, float] | None:
        """Clocks below which a share of the GPU-time at work went; None if there was none."""
        order = np.argsort(self.clocks, kind="stable")
        reached = np.cumsum(self.clock_gpu_s[order])
        if not len(reached) or not reached[-1]:
            return None
        at = np.searchsorted(reached, np.array(quantiles) * reached[-1])
        values = self.clocks[order][np.minimum(at, len(order) - 1)]
        return {f"p{100 * q:g}": float(v) for q, v in zip(quantiles, values, strict=True)}


def power_seen(record: Record) -> PowerSeen | None:
    """The meters over time; None where power is not computed."""
    power = record.power
    if power is None:
        return None
    meter, draws = power.meter, power.draws
    order = np.lexsort((draws["time_s"], draws["row"]))
    row, time_s = draws["row"][order], draws["time_s"][order]
    next_s = np.append(time_s[1:], record.horizon_s)
    last = np.append(row[1:] != row[:-1], True)
    lasted_s = np.where(last, record.horizon_s, next_s) - time_s
    works = draws["clock"][order] > 0
    it_w = meter["node_w"] + power.network_w
    log_lasted_s = np.diff(record.log["time_s"], append=record.horizon_s)
    return PowerSeen(
        time_s=meter["time_s"],
        meter_w=meter["site_w"],
        it_w=it_w,
        cooling_w=meter["cooling_w"],
        heat_w=meter["site_w"] - meter["cooling_w"],
        dark_gpu_s={
            name: float(log_lasted_s @ record.log[f"{name}_dark_gpus"])
            for name in ("power", "heat", "demand", "stranded")
        },
        clocks=draws["clock"][order][works],
        clock_gpu_s=(lasted_s * draws["gpus"][order])[works],
        decisions=power.decisions,
    )


class Readings:
    """Readings of every domain, sorted so that those of one are a slice."""

    def __init__(self, power: PowerRecord, horizon_s: float) -> None:
        self._horizon_s = horizon_s
        self._power_of = _Sorted(power.domains, "power_w")
        self._cap_of = _Sorted(power.caps, "cap_w")

    def power(self, at: int, unit: int) -> tuple[Array, Array]:
        """Times of change, and what a unit draws from then on. [s], [W]"""
        return self._power_of.of(at, unit)

    def cap(self, at: int, unit: int) -> tuple[Array, Array]:
        """Times of change, and what a unit may draw from then on. [s], [W]

        A cap that another one replaced at once, or that began as the run ended, held for no time.
        """
        time_s, cap_w = self._cap_of.of(at, unit)
        held = np.append(time_s[1:], self._horizon_s) > time_s
        held[-1] |= not held.any()
        return time_s[held], cap_w[held]


class _Sorted:
    def __init__(self, log: dict[str, Array], value: str) -> None:
        key = log["level"] * 2**32 + log["unit"]
        order = np.argsort(key, kind="stable")
        self._keys = key[order]
        self._time_s, self._value = log["time_s"][order], log[value][order]

    def of(self, at: int, unit: int) -> tuple[Array, Array]:
        key = at * 2**32 + unit
        low, high = np.searchsorted(self._keys, [key, key + 0.5])
        return self._time_s[low:high], self._value[low:high]


def quantile_w(time_s: Array, power_w: Array, horizon_s: float, q: float) -> float:
    """Power that is not exceeded for a share ``q`` of the time. [W]"""
    lasted_s = np.diff(time_s, append=horizon_s)
    order = np.argsort(power_w, kind="stable")
    reached_s = np.cumsum(lasted_s[order])
    if not len(reached_s) or reached_s[-1] <= 0:
        return float(power_w[-1]) if len(power_w) else 0.0
    at = int(np.searchsorted(reached_s, q * reached_s[-1]))
    return float(power_w[order][min(at, len(order) - 1)])


def over_s(
    time_s: Array, power_w: Array, cap_time_s: Array, cap_w: Array, horizon_s: float
) -> tuple[float, float, float]:
    """For how long a cap was exceeded, in all and at a stretch, and the most of it drawn.

    Returns
    -------
    float, float, float
        [s], [s], [-]
    """
    cuts_s = np.union1d(time_s, cap_time_s)
    cuts_s = cuts_s[cuts_s < horizon_s]
    lasted_s = np.diff(cuts_s, append=horizon_s)
    drawn = power_w[np.searchsorted(time_s, cuts_s, side="right") - 1]
    cap = cap_w[np.searchsorted(cap_time_s, cuts_s, side="right") - 1]
    over = drawn > cap * (1 + 1e-9)
    total_s = float(lasted_s[over].sum())
    fullest = float((drawn / np.maximum(cap, 1e-12)).max()) if len(cap) else 0.0
    if not total_s:
        return 0.0, 0.0, fullest
    edges = np.flatnonzero(np.diff(np.concatenate([[0], over.view(np.int8), [0]])))
    ends_s = np.append(cuts_s, horizon_s)
    stretches = ends_s[edges[1::2]] - ends_s[edges[::2]]
    return total_s, float(stretches.max()), fullest


def domain_rows(
    record: Record, site: Site, gpu_s: Array, nameplate_w: dict[str, Array]
) -> dict[str, Any]:
    """One row for each domain of the power tree: columns of `twin.tables.POWER`.

    Parameters
    ----------
    gpu_s : (n_node, 2) array
        GPU-time of each node that was dark, and that caps cost its jobs. [GPU s]
    nameplate_w : dict of level to (n_unit,) array
        The most that the nodes below a domain can draw. [W]
    """
    power = record.power
    assert power is not None
    horizon_s = record.horizon_s
    domains, readings = Domains(site), Readings(power, horizon_s)
    swings = swings_w(record, domains)
    rows: list[dict[str, Any]] = []
    for at, level in enumerate(power.levels):
        units = domains.unit_of(level)
        lost = [np.bincount(units, weights=of, minlength=power.units[level]) for of in gpu_s.T]
        gpus = np.bincount(units, weights=site.node_gpus, minlength=power.units[level])
        for unit in range(power.units[level]):
            time_s, power_w = readings.power(at, unit)
            cap_time_s, cap_w = readings.cap(at, unit)
            lasted_s = np.diff(time_s, append=horizon_s)
            energy_j = float(lasted_s @ power_w)
            exceeded_s, longest_s, fullest = over_s(time_s, power_w, cap_time_s, cap_w, horizon_s)
            cap_lasted_s = np.diff(cap_time_s, append=horizon_s)
            finite = np.isfinite(cap_w)
            mean_cap = float(cap_lasted_s @ cap_w) / horizon_s if finite.all() else np.inf
            seen = lasted_s > 0
            rows.append(
                {
                    "level": level,
                    "unit": unit,
                    "domain": domains.name(level, unit),
                    "gpus": int(gpus[unit]),
                    "nameplate_w": float(nameplate_w[level][unit]),
                    "cap_w": mean_cap if horizon_s else float(cap_w[-1]),
                    "least_cap_w": float(cap_w.min()),
                    "mean_w": energy_j / horizon_s if horizon_s else float(power_w[-1]),
                    "peak_w": float(power_w[seen].max()) if seen.any() else float(power_w[-1]),
                    "p99_w": quantile_w(time_s, power_w, horizon_s, 0.99),
                    "peak_load": fullest,
                    "energy_j": energy_j,
                    "violation_s": exceeded_s,
                    "longest_violation_s": longest_s,
                    "swing_w": float(swings[level][0][unit]),
                    "unsmoothed_swing_w": float(swings[level][1][unit]),
                    "dark_gpu_s": float(lost[0][unit]),
                    "throttled_gpu_s": float(lost[1][unit]),
                }
            )
    return {name: [row[name] for row in rows] for name in rows[0]}


def swings_w(record: Record, domains: Domains) -> dict[str, tuple[Array, Array]]:
    """By level, (n_unit,) swing of the power of GPUs within steps, smoothed and not. [W]

    Peak to peak, P99 over time, before losses. The GPUs of a job swing together, different jobs do
    not: their swings add as squares. A job is taken to stand where it stood in the mean over its
    time. NaN where there are too many changes to follow.
    """
    power = record.power
    assert power is not None
    draws = power.draws
    order = np.argsort(draws["row"], kind="stable")
    row = draws["row"][order].astype(np.int64)
    raw_w = (draws["gpus"] * draws["swing_w"])[order]
    time_s = draws["time_s"][order]
    found: dict[str, tuple[Array, Array]] = {}
    known: dict[tuple[bytes, int], Array] = {}
    battery = power.levels.index(power.battery_level) if power.battery_level else len(power.levels)
    for at, level in enumerate(power.levels):
        unit_of = domains.unit_of(level)
        left = power.swing_left[row, int(at >= battery)]
        for which, whole_w in enumerate((raw_w, raw_w * left)):
            key = unit_of.tobytes(), which * (1 + int(at >= battery))
            if which and np.array_equal(whole_w, raw_w):
                known[key] = known[unit_of.tobytes(), 0]
            elif key not in known:
                changes = time_s, row, whole_w
                known[key] = _swing_w(record, unit_of, domains.units(level), changes)
        smoothed = known[unit_of.tobytes(), 1 + int(at >= battery)]
        found[level] = smoothed, known[unit_of.tobytes(), 0]
    return found


def _swing_w(
    record: Record,
    unit_of: NDArray[np.int32],
    n: int,
    changes: tuple[Array, NDArray[np.int64], Array],
) -> Array:
    """(n_unit,) P99 over time of the swings of all jobs in each unit. [W]"""
    time_s, row, whole_w = changes
    share, units, rows = _shares_of_jobs(record, unit_of)
    counts = np.bincount(rows, minlength=len(record.start_s))[row]
    if counts.sum() > _MOST_SWINGS:
        return np.full(n, np.nan)
    # Each change of a job, once for each unit that it stands in, in the order of time within it.
    change = np.repeat(np.arange(len(row)), counts)
    nth = np.arange(len(change)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = np.searchsorted(rows, row)[change] + nth
    by_pair = np.argsort(at, kind="stable")
    pair = at[by_pair]
    squares = (share[pair] * whole_w[change[by_pair]]) ** 2
    step = np.diff(squares, prepend=0.0)
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    step[starts] = squares[starts]
    moves = step != 0
    unit, when_s, step = units[pair][moves], time_s[change[by_pair]][moves], step[moves]
    in_time = np.lexsort((when_s, unit))
    unit, when_s, step = unit[in_time], when_s[in_time], step[in_time]
    edges = np.searchsorted(unit, np.arange(n + 1))
    found = np.zeros(n)
    for u in np.unique(unit).tolist():
        here = slice(edges[u], edges[u + 1])
        values = np.append(0.0, np.sqrt(np.maximum(np.cumsum(step[here]), 0.0)))
        found[u] = quantile_w(np.append(0.0, when_s[here]), values, record.horizon_s, 0.99)
    return found


def _shares_of_jobs(
    record: Record, unit_of: NDArray[np.int32]
) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Share of each job in each unit that it stood in: shares, units and rows, by row."""
    held = record.allocations
    job, node = held["job"].astype(np.int64), held["node"].astype(np.int64)
    gpus = np.bitwise_count(held["gpu_mask"].astype(np.uint64)).astype(float)
    gpu_s = gpus * np.maximum(held["end_s"].astype(float) - held["start_s"].astype(float), 1e-9)
    n = int(unit_of.max()) + 1
    key, of = np.unique(job * n + unit_of[node], return_inverse=True)
    total = np.bincount(of, weights=gpu_s)
    rows, units = key // n, key % n
    whole = np.bincount(rows, weights=total, minlength=len(record.start_s))
    return total / whole[rows], units, rows


def node_gpu_s(record: Record, site: Site, throttled_gpu_s: Array) -> Array:
    """(n_node, 2) GPU-time that was dark, and that caps cost, by node. [GPU s]

    A job's throttled time is spread over its nodes by the GPU-time that it held there.
    """
    power = record.power
    assert power is not None
    held = record.allocations
    gpus = np.bitwise_count(held["gpu_mask"].astype(np.uint64)).astype(float)
    held_gpu_s = gpus * (held["end_s"].astype(float) - held["start_s"].astype(float))
    job, node = held["job"].astype(np.int64), held["node"].astype(np.int64)
    of_job = sum_by(job, held_gpu_s, len(throttled_gpu_s))
    part = np.divide(throttled_gpu_s, of_job, out=np.zeros_like(of_job), where=of_job > 0)
    lost = sum_by(node, held_gpu_s * part[job], site.n_nodes)
    return np.column_stack([power.dark_s * site.node_gpus, lost])


def timeline_columns(record: Record, starts_s: Array) -> dict[str, Array]:
    """Columns of the timeline that tell of power: means per bin."""
    power = record.power
    assert power is not None
    meter = power.meter
    it_w = meter["node_w"] + power.network_w
    means = bin_means(
        meter["time_s"],
        {"it_power_w": it_w, "facility_power_w": meter["site_w"]},
        record.horizon_s,
        starts_s,
    )
    drawn_w, it_means_w = means["facility_power_w"], means["it_power_w"]
    none = np.full_like(drawn_w, np.nan)  # where all is off
    means["pue"] = np.divide(drawn_w, it_means_w, out=none, where=it_means_w > 0)
    return means


def domain_series(record: Record, site: Site, starts_s: Array) -> list[pd.DataFrame]:
    """Power and cap of domains over time, for levels with few enough units; reasons for dark."""
    power = record.power
    assert power is not None
    domains, readings = Domains(site), Readings(power, record.horizon_s)
    parts: list[pd.DataFrame] = []
    for at, level in enumerate(power.levels):
        if power.units[level] > _SHOWN or level == "node":
            continue
        for unit in range(power.units[level]):
            name = domains.name(level, unit)
            name = name if level not in ("hall", "site") else f"{level} {name}"
            time_s, power_w = readings.power(at, unit)
            means = bin_means(time_s, {"power_w": power_w}, record.horizon_s, starts_s)
            cap_time_s, cap_w = readings.cap(at, unit)
            if np.isfinite(cap_w).any():
                means |= bin_means(cap_time_s, {"cap_w": cap_w}, record.horizon_s, starts_s)
            parts += [_series(starts_s, name, what, values) for what, values in means.items()]
    log = record.log
    counts = {
        name: log[name]
        for name in (
            "power_dark_gpus",
            "heat_dark_gpus",
            "demand_dark_gpus",
            "stranded_dark_gpus",
            "throttled_gpus",
        )
        if log[name].any()
    }
    if counts:
        means = bin_means(log["time_s"], counts, record.horizon_s, starts_s)
        parts += [_series(starts_s, "site", what, values) for what, values in means.items()]
    return parts


def tariff_series(tariff: Tariff, horizon_s: float, starts_s: Array) -> list[pd.DataFrame]:
    """Price and carbon intensity over time, where the scenario says them: means per bin."""
    found = []
    for quantity, series in (("price_usd_per_j", tariff.price), ("carbon_kg_per_j", tariff.carbon)):
        if series is not None and horizon_s > 0:
            time_s, value = series.pieces(0.0, horizon_s)
            means = bin_means(time_s, {quantity: value}, horizon_s, starts_s)
            found.append(_series(starts_s, "site", quantity, means[quantity]))
    return found


def _series(starts_s: Array, domain: str, quantity: str, values: Array) -> pd.DataFrame:
    return pd.DataFrame(
        {"time_s": starts_s, "domain": domain, "quantity": quantity, "value": values}
    )
