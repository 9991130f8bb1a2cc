"""All failures of a site in order of time, drawn as the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import heappop, heappush
from math import inf, nextafter

import numpy as np
from numpy.typing import NDArray

from twin.distributions import Exponential
from twin.failures.draws import at, key, uniform, uniforms
from twin.failures.model import AT_ONCE, FailureModel, FaultClass, Stage
from twin.site.domains import Domains

FAULT, WARNING = range(2)

Event = tuple[float, int, int, int, int]  # time_s, class, part, turn, FAULT or WARNING
_CHUNK = 65_536


def with_alarms(classes: tuple[FaultClass, ...]) -> tuple[FaultClass, ...]:
    """The classes, and more for their false alarms and false warnings, where they give some.

    An alarm without a fault stops what runs on its unit, a warning that does not come true makes
    it move away; either takes the unit out of service for an inspection, which mends nothing.
    """
    found = list(classes)
    for cls in classes:
        alarm = replace(
            cls,
            repair=(Stage(times=((0.0, cls.inspection),), unmended=1.0),),
            detection=AT_ONCE,
            recurs=None,
            false_alarms=0.0,
            wrong_unit=0.0,
            beta=0.0,
            recall=0.0,
        )
        if cls.false_alarms > 0:
            life = Exponential(cls.life.mean / cls.false_alarms)
            name = f"{cls.name} (false alarm)"
            found.append(replace(alarm, name=name, life=life, effect="fail_stop"))
        if cls.recall > 0 and cls.precision < 1:
            false = cls.recall * (1 - cls.precision) / cls.precision
            life = Exponential(cls.life.mean / false)
            name = f"{cls.name} (false warning)"
            found.append(replace(alarm, name=name, life=life, effect="maintenance"))
    return tuple(found)


class FaultStream:
    """Failures of every part of every class but those of jobs, merged.

    The first life of all parts is drawn at once, as arrays; a part that comes back from repair
    gets its next one then. Only first lives that end within the horizon are kept, so a million
    parts cost as much as those of them that fail.

    Parameters
    ----------
    model : FailureModel
    domains : Domains
    seed : int
    horizon_s : float
        No failure or warning beyond it is wanted. [s] ``inf`` if not known.
    """

    def __init__(self, model: FailureModel, domains: Domains, seed: int, horizon_s: float) -> None:
        self.classes = tuple(c for c in with_alarms(model.classes) if c.of != "job")
        self._domains = domains
        self._rate = model.rate_factor
        self._horizon_s = horizon_s
        self._keys = [key(seed, f"failures/{c.name}/life") for c in self.classes]
        self._warned = [key(seed, f"failures/{c.name}/foreseen") for c in self.classes]
        site = domains.site
        n = site.n_nodes
        #: The multiplier of the rates of what belongs to each node.
        self.multiplier: list[float] = [1.0] * n
        if model.lemons is not None:
            law = model.lemons
            drawn = law.quantile(uniforms(key(seed, "failures/lemons"), n))
            self.multiplier = np.asarray(drawn, float).tolist()
        self._later: list[Event] = []
        self._first = self._first_lives()
        self._head = next(self._first, None)

    def node_of(self, cls: FaultClass, part: int) -> int:
        """The node that a part belongs to; -1 for parts of larger units."""
        unit = part // cls.per
        if cls.of == "node":
            return unit
        return self._domains.gpu(unit)[0] if cls.of == "gpu" else -1

    def next_s(self) -> float:
        """When something fails, or is foreseen to, next; ``inf`` if nothing does."""
        first_s = self._head[0] if self._head else inf
        return min(first_s, self._later[0][0]) if self._later else first_s

    def pop(self) -> Event:
        """Take the next event."""
        head = self._head
        if head is None or (self._later and self._later[0] < head):
            return heappop(self._later)
        self._head = next(self._first, None)
        return head

    def renew(self, index: int, part: int, turn: int, now_s: float, after_s: float = 0.0) -> None:
        """A part begins a life: it is back in service, or goes on after a fault that was none.

        ``after_s`` is given where a defect that was not mended shows again after so long.
        """
        cls = self.classes[index]
        life_s = after_s
        if not after_s:
            rate = self._rate * cls.rate_factor
            life_s = at(cls.life, uniform(self._keys[index], part, turn)) / rate
            node = self.node_of(cls, part)
            if node >= 0:
                life_s /= self.multiplier[node] or 1e-300
        fails_s = max(now_s + life_s, nextafter(now_s, inf))
        if fails_s <= self._horizon_s:
            heappush(self._later, (fails_s, index, part, turn, FAULT))
        if cls.recall and uniform(self._warned[index], part, turn) < cls.recall:
            warned_s = max(fails_s - cls.lead_s, now_s)
            if warned_s <= self._horizon_s:
                heappush(self._later, (warned_s, index, part, turn, WARNING))

    def _first_lives(self) -> Iterator[Event]:
        """Events of first lives in order of time, as lists a chunk at a time."""
        times: list[NDArray[np.float64]] = []
        parts: list[NDArray[np.int64]] = []
        which: list[NDArray[np.int16]] = []
        what: list[NDArray[np.int8]] = []
        for index, cls in enumerate(self.classes):
            life_s = self._lives(index, cls)
            failing = np.flatnonzero(life_s <= self._horizon_s)
            times.append(life_s[failing])
            parts.append(failing)
            which.append(np.full(len(failing), index, np.int16))
            what.append(np.full(len(failing), FAULT, np.int8))
            if cls.recall:
                warned_s = np.maximum(life_s - cls.lead_s, 0.0)
                warned = np.flatnonzero(warned_s <= self._horizon_s)
                seen = uniforms(self._warned[index], len(life_s))
                warned = warned[seen[warned] < cls.recall]
                times.append(warned_s[warned])
                parts.append(warned)
                which.append(np.full(len(warned), index, np.int16))
                what.append(np.full(len(warned), WARNING, np.int8))
        if not times:
            return
        time_s = np.concatenate(times)
        order = np.argsort(time_s, kind="stable")
        part, cls_of, kind = np.concatenate(parts), np.concatenate(which), np.concatenate(what)
        for start in range(0, len(order), _CHUNK):
            chunk = order[start : start + _CHUNK]
            yield from zip(
                time_s[chunk].tolist(),
                cls_of[chunk].tolist(),
                part[chunk].tolist(),
                [0] * len(chunk),
                kind[chunk].tolist(),
                strict=True,
            )

    def _lives(self, index: int, cls: FaultClass) -> NDArray[np.float64]:
        """(n_part,) when each part fails first. [s]"""
        n = self._domains.units(cls.of) * cls.per
        p = uniforms(self._keys[index], n)
        if cls.age_s > 0:
            from twin.distributions import residual_quantile

            life_s = residual_quantile(cls.life, cls.age_s, p)
        else:
            life_s = np.asarray(cls.life.quantile(p), float)
        life_s = life_s / (self._rate * cls.rate_factor)
        if cls.of in ("gpu", "node"):
            multiplier = np.asarray(self.multiplier)
            nodes = self._domains.site.gpu_node if cls.of == "gpu" else slice(None)
            with np.errstate(divide="ignore"):
                life_s = life_s / np.repeat(multiplier[nodes], cls.per)
        return life_s
