"""What the tests of clouds share: one node of one's own beside a cloud of two, of two GPUs each.

A GPU costs 0.001 USD/s. A node is there after 100 s, billed in whole minutes, and given back after
200 s without work. A job saves after each 100 s of work, which stops it for 10 s; beginning again
takes 20 s and 3 s to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log1p
from typing import Any

import pandas as pd

from twin.failures.draws import key, uniform
from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.cloud import Bursting
from twin.kernel.hazards import nothing_fails
from twin.kernel.simulation import Simulation
from twin.metrics.cloud import cloud
from twin.policies.base import OverflowPolicy
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.placements.best_fit import BestFit
from twin.registry import make_policy
from twin.results.outcome import Outcome, outcome
from twin.site.layout import Pool, Site, lay_out
from twin.site.terms import Terms
from twin.workload.jobs import job_table

STORAGE = SaveLevel("storage", 1, write_s=10.0, read_s=3.0)
TERMS = Terms(price_usd_per_s=0.001, provisioning_s=100.0, minimum_s=60.0, idle_s=200.0)
SEED = 3


def place(terms: Terms = TERMS, *, own: int = 1, rented: int = 2, gpus: int = 2) -> Site:
    """Nodes of one's own first, then those of a cloud."""
    pools = [
        Pool("own", "node", "", gpus, own),
        Pool("cloud", "node", "", gpus, rented, halls=("cloud",), cloud=terms),
    ]
    return lay_out(pools)


def spot(life_s: float, notice_s: float, node: int = 0) -> Terms:
    """Terms under which the first life of a node of the cloud is just that long."""
    luck = uniform(key(SEED, "cloud/cloud/life"), node, 0)
    return replace(TERMS, mean_life_s=-life_s / log1p(-luck), notice_s=notice_s)


def by(name: str, **options: object) -> OverflowPolicy:
    """An overflow policy by name."""
    made: OverflowPolicy = make_policy("overflow", name, options)
    return made


def jobs(*rows: tuple[float, float, int], **columns: Any) -> pd.DataFrame:
    """Jobs by (submit, work, GPUs)."""
    submit_s, run_s, gpus = zip(*rows, strict=True)
    return job_table({"submit_s": submit_s, "run_s": run_s, "gpus": gpus} | columns)


@dataclass(frozen=True)
class Case:
    """What came of a run."""

    tables: Outcome
    site: Site

    @property
    def starts(self) -> list[float]:
        """First starts. [s]"""
        return list(self.tables.jobs["start_s"])

    @property
    def ends(self) -> list[float]:
        """[s]"""
        return list(self.tables.jobs["end_s"])

    @property
    def pools(self) -> list[str]:
        """Where jobs ran last."""
        return list(self.tables.jobs["pool"])

    @property
    def rentals(self) -> list[tuple[int, float, float, float]]:
        """Node, when it was asked for, when it was there, when it was gone."""
        table = self.tables.rentals
        assert table is not None
        names = ("node", "asked_s", "ready_s", "end_s")
        return list(zip(*(table[name].tolist() for name in names), strict=True))

    @property
    def told(self) -> dict[str, Any]:
        """The section of the summary."""
        return cloud(self.tables, self.site)


def run(
    site: Site,
    work: pd.DataFrame,
    policy: OverflowPolicy,
    *,
    scheduler: str = "fifo",
    estimate_s: Any = None,
    horizon_s: float | None = None,
    startup_s: float = 0.0,
    levels: tuple[SaveLevel, ...] = (STORAGE,),
    restart_s: float = 20.0,
) -> Case:
    """Simulate, and check that the ledger balances."""
    model = RestartModel(startup_s=startup_s, restart_s=restart_s, levels=levels)
    reliability = replace(nothing_fails(model), checkpoint=Fixed(every_s=100.0))
    simulation = Simulation(
        site,
        work,
        make_policy("schedulers", scheduler, {}),
        BestFit(),
        estimate_s,
        reliability=reliability,
        bursting=Bursting(policy, SEED),
    )
    record = simulation.run(horizon_s)
    return Case(outcome(record, work, site), site)
