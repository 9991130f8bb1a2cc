"""When nodes will be free: every column from its definition, by the loop and by arrays."""

from dataclasses import dataclass, field
from math import inf
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernel import ready
from twin.kernel.ready import ReadyTimes
from twin.site.fleet import Fleet
from twin.site.layout import Pool, lay_out

LOOP, ARRAYS = 10**9, -1


@dataclass
class Held:
    """What of a running job matters here."""

    expected_end_s: float
    held: dict[int, int] = field(default_factory=dict)

    def gpus_on(self, node):
        return self.held[node].bit_count()


class Hall:
    """Two pools, and everything that can happen to nodes, a number of times each."""

    def __init__(self, data):
        self.draw = data.draw
        sizes = [(self.draw(st.integers(1, 4)), gpus) for gpus in (2, 5)]
        self.fleet = Fleet(lay_out([Pool(f"p{g}", "n", "", g, n) for n, g in sizes]))
        self.nodes = range(self.fleet.site.n_nodes)
        self.residents = [[] for _ in self.nodes]
        self.running = {}
        self.begun = []
        self.ready = ReadyTimes(self.fleet, self.residents, self.running)

    def whole(self, node):
        return self.fleet.free_mask[node] == (1 << self.fleet.site.node_gpus[node]) - 1

    def start(self):
        chosen = self.draw(st.sets(st.sampled_from(self.nodes), max_size=3))
        free = [(v, self.fleet.free_mask[v].bit_count()) for v in sorted(chosen)]
        place = [(v, self.draw(st.integers(1, n))) for v, n in free if n]
        if place:
            job = Held(self.draw(st.integers(1, 9)) * 1.0, self.fleet.take(place))
            self.running[len(self.begun)] = job
            self.begun.append(job)
            for node in job.held:
                self.residents[node].append(job)
            self.ready.stale.update(job.held)

    def end(self):
        if self.running:
            job = self.running.pop(self.draw(st.sampled_from(sorted(self.running))))
            self.fleet.give_back(job.held)
            for node in job.held:
                self.residents[node].remove(job)
            self.ready.stale.update(job.held)

    def move(self):
        if self.running:
            row = self.draw(st.sampled_from(sorted(self.running)))
            self.running[row].expected_end_s += self.draw(st.integers(-3, 5))
            self.ready.moved[row] = self.running[row]

    def lose(self):
        node = self.draw(st.sampled_from(self.nodes))
        if node not in self.fleet.dark_nodes:
            self.fleet.fail(node, self.draw(st.integers(1, 3)))
            if self.draw(st.booleans()):
                self.fleet.up_s[node] = self.draw(st.integers(1, 9)) * 1.0
            self.ready.stale.add(node)

    def mend(self):
        node = self.draw(st.sampled_from(self.nodes))
        self.fleet.mend(node, self.fleet.down_mask[node])
        self.ready.stale.add(node)

    def put_out(self):
        node = self.draw(st.sampled_from(self.nodes))
        if self.whole(node):
            self.draw(st.sampled_from([self.fleet.set_aside, self.fleet.darken]))(node)
            self.ready.stale.add(node)

    def keep(self):
        node = self.draw(st.sampled_from(self.nodes))
        if self.fleet.free_mask[node]:
            self.ready.promised[node] = [(1, self.draw(st.integers(1, 9)) * 1.0)]
            self.ready.stale.add(node)

    def close(self):
        node = self.draw(st.sampled_from(self.nodes))
        self.ready.reserved[node] = self.draw(st.integers(1, 9)) * 1.0
        self.ready.stale.add(node)

    def column(self, node):
        """When 1, 2, ... GPUs of a node are free, GPU by GPU."""
        fleet, size = self.fleet, int(self.fleet.site.node_gpus[node])
        times_s = []
        for gpu in range(size):
            bit = 1 << gpu
            owner = next((j for j in self.residents[node] if j.held[node] & bit), None)
            down = bool(fleet.down_mask[node] & bit)
            at_s = -inf if fleet.free_mask[node] & bit else fleet.expected_up_s(node)
            if owner is not None:
                at_s = max(owner.expected_end_s, at_s) if down else owner.expected_end_s
            times_s.append(at_s)
        times_s.sort()
        for gpus, until_s in self.ready.promised.get(node, ()):
            times_s = sorted([*times_s[gpus:], *[until_s] * gpus])
        closed_s = self.ready.reserved.get(node, -inf)
        return [max(at_s, closed_s) for at_s in times_s]


@pytest.mark.parametrize("many", [LOOP, ARRAYS])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_column_is_when_so_many_gpus_are_free(many, data):
    hall = Hall(data)
    does = [hall.start] * 4 + [hall.end, hall.move, hall.lose, hall.mend]
    does += [hall.put_out, hall.keep, hall.close]
    with patch.object(ready, "_MANY", many):
        for _ in range(data.draw(st.integers(1, 4))):
            for do in data.draw(st.lists(st.sampled_from(does), max_size=8)):
                do()
            hall.ready._refresh()
            for node in hall.nodes:
                size = hall.fleet.site.node_gpus[node]
                assert hall.ready._ready_s[1 : size + 1, node].tolist() == hall.column(node)
                assert (hall.ready._ready_s[size + 1 :, node] == np.inf).all()
