"""Every job may queue at once and start where it fits."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.base import AdmissionPolicy
from twin.registry import policy


@policy("all-jobs")
@dataclass(frozen=True, kw_only=True)
class AllJobs(AdmissionPolicy):
    """Every job may queue at once and start where it fits."""
