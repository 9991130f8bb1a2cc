"""Work that can wait is put off to cheap, clean or cool hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf
from typing import Literal

from twin.errors import DomainError
from twin.policies.base import AdmissionPolicy
from twin.policies.power_view import Outlook
from twin.policies.view import JobView
from twin.registry import policy

JobKind = Literal["training", "batch", "interactive", "serving"]


@policy("cheap")
@dataclass(frozen=True, kw_only=True)
class Cheap(AdmissionPolicy):
    """Jobs of some ``kinds`` may start at the first good hour of the coming ``patience``.

    Good is an hour whose price, carbon intensity or wet bulb (``by``) is among the lowest:
    ``below`` is the share of the coming time that counts as such, 0 for the very lowest only. What
    lies ahead is known.

    Notes
    -----
    A job is held until it may start, not until it may end: a long one runs on through bad hours.
    All that was held starts at once when the hour comes, as far as it fits.
    """

    by: Literal["price", "carbon", "wet-bulb"] = "price"  # what makes an hour good
    kinds: tuple[JobKind, ...] = ("batch", "training")  # jobs that wait for one
    below: float = 0.25  # share of the coming time that counts as good
    patience_s: float = 86400.0  # how long they wait at most

    def __post_init__(self) -> None:
        if not 0 <= self.below <= 1:
            raise DomainError(f"below: must lie from 0 to 1, found {self.below:g}")
        if not 0 <= self.patience_s < inf:
            raise DomainError(f"patience: must be 0 s or above, found {self.patience_s:g} s")

    def release_s(self, job: JobView, now_s: float, outlook: Outlook) -> float:
        if job.job_kind not in self.kinds:
            return now_s
        what = self.by.replace("-", "_")
        value: Callable[[float], float] = {
            "price": outlook.price_usd_per_j,
            "carbon": outlook.carbon_kg_per_j,
            "wet_bulb": outlook.wet_bulb_degc,
        }[what]
        end_s = now_s + self.patience_s
        changes = [at for at in outlook.changes_s(what, now_s, end_s) if now_s < at < end_s]
        spans = [(value(a), a, b - a) for a, b in pairwise([now_s, *changes, end_s])]
        ranked = sorted(spans)
        counted_s = accumulate(lasts_s for *_, lasts_s in ranked)
        enough_s = self.below * self.patience_s
        # Rounding can leave the sum of all an ulp short of the whole.
        good = next((c for (c, *_), s in zip(ranked, counted_s, strict=True) if s >= enough_s), inf)
        return next(at for cost, at, _ in spans if cost <= good)
