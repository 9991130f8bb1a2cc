"""The read-only face of the state that policies see, and the words they answer in.

Policies import them from here; they are written down by what they tell of: `twin.policies.job_view`
(jobs and the queue), `cluster_view`, `pool_view` and `life_view` (interruptions and checkpoints).
"""

from twin.policies.cluster_view import (
    ClusterView,
    PlanView,
    Reservation,
    SketchView,
    UsageView,
)
from twin.policies.job_view import JobsView, JobView, Placement, QueueView, Shape
from twin.policies.life_view import HitView, SaveView
from twin.policies.pool_view import Confines, GroupsView, HallHeat, PoolView

__all__ = [
    "ClusterView",
    "Confines",
    "GroupsView",
    "HallHeat",
    "HitView",
    "JobView",
    "JobsView",
    "Placement",
    "PlanView",
    "PoolView",
    "QueueView",
    "Reservation",
    "SaveView",
    "Shape",
    "SketchView",
    "UsageView",
]
