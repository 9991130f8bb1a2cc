"""The power of a site as text: what feeds it and may be drawn, what nodes draw, cooling, bills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from twin import units
from twin.building.power import build_powering
from twin.building.workload import build_workload
from twin.console import columns, plural
from twin.facility.asked import LOSSES
from twin.facility.model import DomainModel, NodeModel, PowerModel
from twin.facility.series import Series
from twin.kernel.power_tree import PowerTree
from twin.scenario.power import Power, PowerDomains
from twin.scenario.schema import Scenario
from twin.site.domains import Domains
from twin.site.layout import Site
from twin.units import format_duration, format_si, parse_quantity

Array = NDArray[np.float64]

_WEEK_S = 7 * 86400.0
_MOST_CAPS = 8


@dataclass(frozen=True)
class Loads:
    """What all nodes draw in one state of the site, and what feeds it, in the weather of the start.

    Attributes
    ----------
    node_w : (n_node,) array
        At the inputs of the nodes. [W]
    through_w, drawn_w : list of (n_unit,) arrays
        What the units of each level pass on, and what they draw. [W]
    cooling_w : (n_hall,) array
        [W]
    """

    node_w: Array
    through_w: list[Array]
    drawn_w: list[Array]
    cooling_w: Array


class Feeds:
    """The power tree of a site before anything has happened.

    Attributes
    ----------
    rest, most : Loads
        With all nodes at rest, and with all at their nameplate power.
    cap_w : list of (n_unit,) arrays
        What the units of each level may always draw at most. [W]
    """

    def __init__(self, model: PowerModel, domains: Domains) -> None:
        self._model, self._domains = model, domains
        self._pool = domains.site.node_pool
        self._tree = PowerTree(model, domains)
        halls = range(len(domains.site.halls))
        self._tree.set_cooling([model.cooling.curve(hall, 0.0) for hall in halls], 0.0)
        self.rest = self._loads([node.idle_w for node in model.nodes])
        self.most = self._loads([node.nameplate_w for node in model.nodes])
        self.cap_w = [level.rated_w.copy() for level in model.domains]
        for cap in model.caps:
            if cap.from_s <= 0 and cap.to_s == inf:
                of = self.cap_w[self._tree.by_name[cap.level].at]
                of[cap.units] = np.minimum(of[cap.units], cap.cap_w)

    def _loads(self, of_pool: list[float]) -> Loads:
        node_w = np.array(of_pool)[self._pool]
        return Loads(node_w, *self._tree.flow(node_w))

    def fitting(self) -> NDArray[np.bool_]:
        """(n_node,) nodes that may all draw their nameplate power under all caps that always hold.

        Notes
        -----
        The others are off. From below, each unit above its cap gives up its last nodes: what fits
        there never depends on other units, and more nodes never draw less.
        """
        off_w = np.array([node.off_w for node in self._model.nodes])[self._pool]
        lit = np.ones(len(off_w), bool)
        for at, cap_w in enumerate(self.cap_w):
            if not np.isfinite(cap_w).any():
                continue
            unit = self._tree.levels[at].units
            place = _place_in(unit, lit)
            least = np.zeros(len(cap_w), np.int64)
            most = np.bincount(unit[lit], minlength=len(cap_w))
            while (least < most).any():
                middle = (least + most + 1) // 2
                on = lit & (place < middle[unit])
                drawn_w = self._tree.flow(np.where(on, self.most.node_w, off_w))[1][at]
                fits = drawn_w <= cap_w
                least, most = np.where(fits, middle, least), np.where(fits, most, middle - 1)
            lit &= place < least[unit]
        return lit


def _place_in(unit: NDArray[np.int32], lit: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n_node,) how many lit nodes of its unit stand before each node."""
    order = np.argsort(unit, kind="stable")
    before: NDArray[np.int64] = np.cumsum(lit[order]) - lit[order]
    first = np.flatnonzero(np.append(True, np.diff(unit[order]) != 0))
    lengths = np.diff(np.append(first, len(unit)))
    place = np.empty(len(unit), np.int64)
    place[order] = before - np.repeat(before[first], lengths)
    return place


def power_sections(scenario: Scenario, site: Site) -> Iterator[tuple[str, str]]:
    """Title and text of each section; none if the scenario has no power.

    Raises
    ------
    InputError
        If what the scenario says of power does not hold together.
    """
    given = scenario.power
    if given is None:
        return
    dated = given.has_dates() and scenario.start is None  # else the jobs' calendar tells nothing
    powering = build_powering(scenario, site, build_workload(scenario, site) if dated else None)
    assert powering is not None  # because there is a section
    model = powering.model
    feeds = Feeds(model, Domains(site))
    yield "Power", "\n".join([*_tree_lines(given, model, feeds), "", *_fit_lines(site, feeds)])
    caps = list(_cap_lines(model, Domains(site)))
    if caps:
        yield "Caps with a date", "\n".join(caps)
    yield (
        "What a node draws",
        "\n\n".join(
            "\n".join(_node_lines(pool.name, pool.node_type, node))
            for pool, node in zip(site.pools, model.nodes, strict=True)
        ),
    )
    yield "Cooling and bills", "\n".join(_around_lines(given, model, feeds))
    if model.assumed:
        yield "Taken for granted of power", "\n".join(f"- {each}" for each in model.assumed)


# -- the tree


def _tree_lines(given: Power, model: PowerModel, feeds: Feeds) -> Iterator[str]:
    """One line a level, from the site down."""
    rows = [
        [
            *("level", "units", "feeds", "rating", "may draw", "nameplate", "over"),
            *("at rest", "trips from", "converter, at full load"),
        ]
    ]
    asked = {str(name): level for name, level in given.levels.items()}
    for at, domain in reversed(list(enumerate(model.domains))):
        level = asked.get(domain.level, PowerDomains())
        converter = level.losses or LOSSES[domain.level]
        below_w, cap_w = domain.nameplate_w.tolist(), feeds.cap_w[at].tolist()
        over = [w / cap for w, cap in zip(below_w, cap_w, strict=True) if 0 < cap < inf]
        trips_w = domain.trip.trips_at * domain.breaker_w if domain.trip else np.array([inf])
        rows.append(
            [
                domain.level,
                f"{len(domain.rated_w):,}",
                f"{domain.feeds} {level.redundancy}",
                *map(_watts, (domain.feed_w, feeds.cap_w[at], domain.nameplate_w)),
                _range(over, lambda share: f"{share:.2f}"),
                _watts(feeds.rest.drawn_w[at]),
                _watts(trips_w),
                f"{converter} {100 * _efficiency(domain):.1f} %",
            ]
        )
    yield from columns(rows, left=1)
    yield ""
    yield (
        "Each of a unit. Rating: what a feed carries. Nameplate: the nodes below at most. Over: "
        "that over what"
    )
    yield "a unit may draw. At rest: with all nodes lit and idle, losses and cooling included."


def _efficiency(domain: DomainModel) -> float:
    """Of the converters of a level with all units at their rating, or at nameplate power."""
    full_w = np.where(np.isfinite(domain.rated_w), domain.rated_w, domain.nameplate_w)
    return float(full_w.sum() / domain.input_w(full_w).sum())


def _fit_lines(site: Site, feeds: Feeds) -> Iterator[str]:
    lit = feeds.fitting()
    yield (
        f"With all nodes at their nameplate power the site draws {_watt(feeds.most.drawn_w[-1][0])}"
        f", at rest {_watt(feeds.rest.drawn_w[-1][0])}."
    )
    if lit.all():
        yield f"All {plural(site.n_nodes, 'node')} fit under the caps by nameplate."
        return
    gpus = np.array([pool.gpus_per_node for pool in site.pools])[site.node_pool]
    share = gpus[lit].sum() / gpus.sum()
    yield (
        f"{int(lit.sum()):,} of {plural(site.n_nodes, 'node')} fit under the caps by nameplate, "
        f"{plural(int(gpus[lit].sum()), 'GPU')} or {100 * share:.0f} %, with the others off."
    )


def _cap_lines(model: PowerModel, domains: Domains) -> Iterator[str]:
    """Caps that begin later or end, in the order of time."""
    passing = [cap for cap in model.caps if cap.from_s > 0 or cap.to_s < inf]
    passing.sort(key=lambda cap: cap.from_s)
    rows = []
    for cap in passing[:_MOST_CAPS]:
        n = len(cap.units)
        whom = domains.name(cap.level, int(cap.units[0])) if n == 1 else f"{n:,} of {cap.level}"
        until = "to the end" if cap.to_s == inf else f"for {format_duration(cap.to_s - cap.from_s)}"
        rows.append([cap.why, whom, _watts(cap.cap_w), f"at {format_duration(cap.from_s)}", until])
    yield from columns(rows, left=2) if rows else ()
    if len(passing) > _MOST_CAPS:
        yield f"and {len(passing) - _MOST_CAPS:,} more"


# -- nodes


def _node_lines(name: str, node_type: str, node: NodeModel) -> Iterator[str]:
    """What the parts of a node draw at rest and at most, and what they come to."""
    columns_w = []
    for gpu_w in (node.gpus * node.gpu_idle_w, node.gpus * node.tdp_w):
        load_w, fans_w = node.load_w(gpu_w), node.fan_per_w3 * gpu_w**3
        input_w = node.input_w(gpu_w)
        host_w = load_w - gpu_w - fans_w
        parts_w = (gpu_w, host_w, fans_w, input_w - load_w, input_w, node.network_w)
        columns_w.append([*parts_w, input_w + node.network_w])
    labels = (
        *(plural(node.gpus, "GPU"), "host", "fans", "lost in its power supplies", "the node"),
        *("its share of the network", "with the network"),
    )
    rows = [[f"pool {name}: {node_type}", "at rest", "at most"]]
    for label, *watts in zip(labels, *columns_w, strict=True):
        rows.append([f"  {label}", *map(_watt, watts)])
    yield from columns(rows)
    yield (
        f"  off it draws {_watt(node.off_w)}, and {_watt(node.wake_w)} for "
        f"{format_duration(node.wake_s)} while it starts"
    )


# -- cooling and bills


def _around_lines(given: Power, model: PowerModel, feeds: Feeds) -> Iterator[str]:
    cooling, tariff = model.cooling, model.tariff
    dry, wet = cooling.weather.at(0.0)
    pue = feeds.most.drawn_w[-1][0] / model.domains[-1].nameplate_w[0]
    rows = [
        ["cooling", f"{given.cooling.type}, rated for {_watts(cooling.rated_w)} of heat a hall"],
        ["weather", f"{_place(given)}; {dry:.1f} degC, wet bulb {wet:.1f} degC at the start"],
        [
            "at full load, at the start",
            f"PUE {pue:.3f}; cooling draws {_watt(feeds.most.cooling_w.sum())}",
        ],
    ]
    price = tariff.price
    if price is not None:
        per_kwh = parse_quantity("1 USD/kWh", units.MONEY_PER_ENERGY)
        rows.append(["price", _over_a_week(price, per_kwh, "USD/kWh")])
    charge = tariff.demand_charge_usd_per_w_month
    if charge is not None:
        rows.append(["demand charge", f"{charge * 1e3:g} USD/kW-month"])
    if tariff.carbon is not None:
        per_kwh = parse_quantity("1 g/kWh", units.CARBON_PER_ENERGY)
        rows.append(["carbon", _over_a_week(tariff.carbon, per_kwh, "g/kWh")])
    if price is None and tariff.carbon is None and charge is None:
        rows.append(["price, carbon", "not given"])
    yield from (f"{label:<{max(len(r[0]) for r in rows)}}  {text}" for label, text in rows)


def _place(given: Power) -> str:
    weather = given.cooling.weather
    if weather.climate is not None:
        return f"typical year of {weather.climate}"
    return "always the same" if weather.constant is not None else "from a file"


def _over_a_week(series: Series, unit: float, name: str) -> str:
    """The value at the start, and between which it moves in the week after."""
    ends_s = min(_WEEK_S, series.ends_s)
    values = [series.at(at_s) / unit for at_s in (0.0, *series.changes_s(0.0, ends_s))]
    least, most = min(values), max(values)
    text = f"{values[0]:.4g} {name}"
    if least < most:
        text += f" at the start, {least:.4g} to {most:.4g} in the first week"
    return text


# -- words


def _watt(watts: float) -> str:
    return format_si(float(watts), "W", 4)


def _watts(of_units: Iterable[float]) -> str:
    return _range(of_units, _watt)


def _range(of_units: Iterable[float], word: Callable[[float], str]) -> str:
    """One value, or the least and the greatest; a dash where there is no limit."""
    known = [value for value in map(float, of_units) if np.isfinite(value)]
    if not known:
        return "-"
    least, most = word(min(known)), word(max(known))
    return least if least == most else f"{least} to {most}"
