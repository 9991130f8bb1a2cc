"""What policies see of a job's life: that it was hit, and what a checkpoint would cost it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twin.policies.job_view import JobView


class HitView(Protocol):
    """A job that has lost part of its gang, at the time at which somebody knows."""

    @property
    def job(self) -> JobView: ...
    @property
    def now_s(self) -> float: ...
    @property
    def since_s(self) -> float:
        """When it was interrupted."""

    @property
    def retries(self) -> int:
        """Interruptions that it has met, this one included."""

    @property
    def missing_gpus(self) -> int:
        """GPUs that it asked for and no longer holds; 0 after a software fault."""

    @property
    def missing_nodes(self) -> int:
        """Whole nodes that would bring the gang to its full size."""

    @property
    def gang_nodes(self) -> int:
        """Nodes of the whole gang."""

    @property
    def back_s(self) -> float:
        """When its own nodes are expected back in service; ``inf`` if nobody knows."""

    @property
    def are_back(self) -> bool:
        """Whether all nodes that it lost are in service again."""

    @property
    def shrunk(self) -> bool:
        """Whether it runs on with fewer replicas, and nodes have come that could fill it up."""

    def can_take(self, sources: Sequence[str], borrow_from: str = "") -> bool:
        """Whether what is missing could be had now from these places."""

    def can_get(self, sources: Sequence[str]) -> int:
        """Nodes of those that are missing that could be had now from these places."""


class SaveView(Protocol):
    """A job that is about to run, as a checkpoint policy sees it. Times are of this job."""

    @property
    def write_s(self) -> float:
        """How long a checkpoint stops it, in the mean over its levels."""

    @property
    def restart_s(self) -> float:
        """From an interruption to work again, waiting for nodes apart."""

    @property
    def mttf_s(self) -> float:
        """Expected time between interruptions by the nominal rates of all it needs."""

    @property
    def ran_s(self) -> float:
        """How long it has run so far."""

    @property
    def interruptions(self) -> int:
        """How often it was interrupted so far."""
