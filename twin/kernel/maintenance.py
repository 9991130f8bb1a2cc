"""Planned maintenance: rounds over the units of the site, each unit told of its work in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy import Event

from twin.failures.model import Maintenance
from twin.kernel.clock import FAILURES, Clock
from twin.kernel.units import Units
from twin.site.domains import Domains

if TYPE_CHECKING:
    from twin.kernel.faults import Faults


class Rounds:
    """Goes round the units of a level for each maintenance that is planned."""

    def __init__(self, faults: Faults, units: Units, domains: Domains, clock: Clock) -> None:
        self._faults = faults
        self._units = units
        self._domains = domains
        self._clock = clock

    def announce(self, plan: Maintenance, round_: int = 0, first: int = 0) -> None:
        """Give notice of the work on the units from ``first`` on, in time."""
        told_s = max(_due_s(plan, round_, first) - plan.notice_s, self._clock._now)
        self._clock.call_at(told_s, FAILURES, self._maintain, (plan, round_, first))

    def _maintain(self, event: Event) -> None:
        """Planned work on the next units of its round: no job may start there from now on."""
        plan, round_, first = event._value
        now_s, units = self._clock._now, self._domains.units(plan.of)
        due_s = max(_due_s(plan, round_, first), now_s)
        for unit in range(first, min(first + plan.at_once, units)):
            if not self._units.gpus_of(plan.of, unit):
                continue
            fault = self._faults.close(plan, unit, now_s, due_s)
            self._clock.call_at(due_s, FAILURES, self._notice_over, fault)
        first += plan.at_once
        if first >= units:
            first, round_ = 0, round_ + 1
        self.announce(plan, round_, first)

    def _notice_over(self, event: Event) -> None:
        self._faults.ask_to_leave(event._value, self._clock._now)


def _due_s(plan: Maintenance, round_: int, first: int) -> float:
    """When planned work on the units from ``first`` on is due, in a round of it."""
    return plan.first_s + round_ * plan.every_s + first // plan.at_once * plan.lasts_s
