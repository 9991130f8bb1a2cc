"""Which GPUs are out of service because of what, and the GPU-time that it costs."""

from __future__ import annotations

from collections.abc import Sequence

from twin.kernel.clock import Clock
from twin.kernel.incidents import Incidents
from twin.site.fleet import Fleet


class Outages:
    """Overlapping outages of nodes; every GPU's time down belongs to exactly one of them.

    A GPU that several incidents keep out of service counts for the oldest of them. One that a job
    still holds, because it saves before it leaves, is not down yet.
    """

    def __init__(self, fleet: Fleet, incidents: Incidents, clock: Clock) -> None:
        self._fleet = fleet
        self._incidents = incidents
        self._clock = clock
        self._of: dict[int, list[tuple[int, int]]] = {}  # node -> (incident, GPUs), oldest first
        self._since_s: dict[int, float] = {}
        fleet.before_leaving = self.settle

    def begin(self, incident: int, nodes: Sequence[tuple[int, int]]) -> None:
        """GPUs go out of service, or will once their jobs have left."""
        fleet, down_mask = self._fleet, self._fleet.down_mask
        gpus = 0
        for node, mask in nodes:
            if node in self._of:
                self.settle(node)
            else:
                self._of[node] = []
                self._since_s[node] = self._clock._now
            self._of[node].append((incident, mask))
            gpus += (mask & ~down_mask[node]).bit_count()
            fleet.fail(node, mask)
        self._incidents.gpus_down[incident] += gpus

    def end(self, incident: int, nodes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """An incident keeps GPUs out of service no longer; those that nothing else does."""
        back = []
        for node, mask in nodes:
            self.settle(node)
            here = self._of[node]
            here.remove((incident, mask))
            free = mask
            for _, other in here:
                free &= ~other
            if not here:
                del self._of[node], self._since_s[node]
            if free:
                back.append((node, free))
        return back

    def settle(self, node: int, now_s: float | None = None) -> None:
        """Account for the time down of a node's GPUs up to now."""
        here = self._of.get(node)
        if here is None:
            return
        now_s = self._clock._now if now_s is None else now_s
        dt_s = now_s - self._since_s[node]
        self._since_s[node] = now_s
        if not dt_s:
            return
        counted = self._fleet.leaving.get(node, 0)
        down_gpu_s = self._incidents.down_gpu_s
        for incident, mask in here:
            own = mask & ~counted
            down_gpu_s[incident] += dt_s * own.bit_count()
            counted |= own

    def settle_all(self, end_s: float) -> None:
        """The same for all nodes, at the horizon."""
        for node in self._of:
            self.settle(node, end_s)
