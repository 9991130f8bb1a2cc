"""Repairs: one stage after another, and the crews that some of them need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from simpy import Event

from twin.kernel.clock import COMPLETIONS, Clock
from twin.kernel.fault import Fault
from twin.kernel.marks import STAGES, Marks


class Repairs:
    """Takes faults through the stages of their repair, and tells when one is over.

    Attributes
    ----------
    under_way : int
        Faults in repair, those that wait for a crew included.
    """

    def __init__(
        self, crews: float, marks: Marks, clock: Clock, mended: Callable[[Fault, float, bool], None]
    ) -> None:
        self._free_crews = crews
        self._marks = marks
        self._clock = clock
        self._mended = mended  # a fault, when, and whether it was only thought to be repaired
        self._for_crew: deque[Fault] = deque()
        self.under_way = 0

    def begin(self, fault: Fault, now_s: float) -> None:
        """Begin the repair of a fault."""
        self.under_way += 1
        self._next_stage(fault, now_s)

    def _next_stage(self, fault: Fault, now_s: float) -> None:
        """Begin a stage of its repair, as soon as there is a crew if it needs one."""
        if fault.lasts_s >= 0:
            self._clock.call_at(now_s + fault.lasts_s, COMPLETIONS, self._stage_over, fault)
            return
        stage = fault.cls.repair[fault.stage]
        if stage.crew and self._free_crews < inf:
            if self._free_crews < 1:
                self._for_crew.append(fault)
                return
            self._free_crews -= 1
        lasts_s = self._marks.draw(fault, STAGES + 3 * fault.stage, stage.law(now_s))
        self._clock.call_at(now_s + lasts_s, COMPLETIONS, self._stage_over, fault)

    def _stage_over(self, event: Event) -> None:
        fault: Fault = event._value
        now_s, cls = self._clock._now, fault.cls
        if fault.lasts_s >= 0:
            self.under_way -= 1
            self._mended(fault, now_s, False)
            return
        stage = cls.repair[fault.stage]
        if stage.crew and self._free_crews < inf:
            self._free_crews += 1
            if self._for_crew:
                self._next_stage(self._for_crew.popleft(), now_s)
        purpose = STAGES + 3 * fault.stage
        if stage.escalates and self._marks.share(fault, purpose + 1) < stage.escalates:
            fault.stage += 1
            self._next_stage(fault, now_s)
            return
        unmended = bool(stage.unmended) and self._marks.share(fault, purpose + 2) < stage.unmended
        self.under_way -= 1
        self._mended(fault, now_s, unmended)
