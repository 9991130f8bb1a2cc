"""Progress and checkpoints against a program that goes from event to event and keeps them all."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from math import inf

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin.failures.restart import ANYTHING, SaveLevel
from twin.kernel.progress import Progress

HITS = [frozenset(), frozenset({"gpu"}), frozenset({"node"}), frozenset({"gpu", "rack"})]


class Slowly:
    """The same by the rules alone: exact fractions, no event skipped, no checkpoint forgotten."""

    def __init__(self, total_s, levels):
        self.left = Fraction(total_s)
        self.work = Fraction(0)
        self.levels = levels
        self.now = Fraction(0)
        self.rate = Fraction(1)
        self.interval = None
        self.turn = 0
        self.to_next = None  # work to do before the next checkpoint
        self.writing = None  # time until it is written
        self.copies = []  # (level, work, safe from when on)
        self.works = levels  # levels that can be written

    def run(self, now, rate, interval):
        since = self.interval - self.to_next if self.interval else Fraction(0)
        self.now, self.rate, self.interval = Fraction(now), Fraction(rate), Fraction(interval)
        self.to_next = max(self.interval - since, Fraction(0))

    def go_to(self, until):
        """Go on to a time, or to the end of the work; the time spent computing."""
        computed = Fraction(0)
        while True:
            if self.writing is not None:
                step = min(self.writing, until - self.now)
                self.now += step
                self.writing -= step
                if self.writing:
                    return computed
                self.written()
            elif self.works and self.left and not self.to_next:
                self.turn += 1
                self.to_next = self.interval
                self.writing = Fraction(sum(lv.write_s for lv in self.due()))
            elif not self.left or self.now == until:
                return computed
            else:
                work = min(self.left, (until - self.now) * self.rate)
                if self.works:
                    work = min(work, self.to_next)
                self.work += work
                self.left -= work
                self.to_next = max(self.to_next - work, Fraction(0))
                self.now += work / self.rate
                computed += work / self.rate

    def due(self):
        return [level for level in self.works if self.turn % level.every == 0]

    def written(self):
        self.writing = None
        for level in self.due():
            on_its_way = [c for c in self.copies if c[0] is level and c[2] > self.now]
            assert not on_its_way, "two copies of one level on their way"
            self.copies.append((level, self.work, self.now + Fraction(level.flush_s)))

    def finish(self):
        ahead = deepcopy(self)
        ahead.levels, ahead.works = self.levels, self.works
        ahead.go_to(Fraction(10**9))
        return ahead.now

    def best(self, hit):
        safe = [c for c in self.copies if c[2] <= self.now and c[0].outlives(hit) and c[1] > 0]
        most = max((work for _, work, _ in safe), default=Fraction(0))
        held_by = [self.levels.index(level) for level, work, _ in safe if work == most]
        return most, min(held_by, default=-1)

    def kept(self):
        of_last = [c[1] for c in self.copies if c[2] <= self.now and c[0] is self.levels[-1]]
        return max(of_last, default=Fraction(0))

    def lose_last(self, lost):
        """The last level cannot be written; the copy on its way there does not arrive."""
        self.works = self.levels[:-1] if lost else self.levels
        if lost:
            last = self.levels[-1]
            self.copies = [c for c in self.copies if c[0] is not last or c[2] <= self.now]

    def fail(self, hit):
        most, _ = self.best(hit)
        lost = self.work - most
        self.copies = [c for c in self.copies if c[2] <= self.now and c[0].outlives(hit)]
        self.again_from(most)
        return lost

    def save_all(self):
        self.copies = [(level, self.work, self.now) for level in self.levels]
        self.again_from(self.work)

    def again_from(self, work):
        self.left += self.work - work
        self.work = work
        self.to_next, self.writing = self.interval, None


@st.composite
def lives(draw):
    """Whole seconds, and rates that are powers of two: floating point is exact."""
    intervals = draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    every, levels = 1, []
    for index in range(draw(st.integers(1, 3))):
        every *= draw(st.sampled_from([1, 2, 3])) if index else 1
        flush_s = draw(st.sampled_from([0, 1, min(intervals) * every]))
        survives = draw(st.sampled_from([{"gpu"}, {"gpu", "node"}, ANYTHING]))
        write_s = draw(st.sampled_from([0, 1, 7]))
        levels.append(SaveLevel(f"{index}", every, float(write_s), float(flush_s), 0.0, survives))
    rates = st.sampled_from([1.0, 0.5, 0.25])
    then = st.one_of(
        st.tuples(st.just("wait")),
        st.tuples(st.just("pace"), rates, st.sampled_from(intervals)),
        st.tuples(st.just("fail"), st.sampled_from(HITS), rates, st.sampled_from(intervals)),
        st.tuples(st.just("save"), st.sampled_from(intervals)),
        st.tuples(st.just("lose"), st.booleans(), st.sampled_from(intervals)),
        st.tuples(st.just("stall"), st.sampled_from(intervals)),
    )
    after = st.one_of(st.integers(0, 60).map(lambda q: q / 4), st.sampled_from(["soon", "late"]))
    steps = draw(st.lists(st.tuples(after, then), max_size=12))
    return draw(st.integers(1, 1500)), tuple(levels), intervals[0], steps


ONE = (SaveLevel("storage", 1, 5.0),)
TWO = (SaveLevel("peer", 1, 1.0, survives=frozenset({"gpu"})), SaveLevel("storage", 2, 5.0))
NODE = ("fail", frozenset({"node"}), 1.0, 10)


@given(lives())
@example((100, ONE, 30, [(20.0, ("pace", 1.0, 10))]))  # the next checkpoint is overdue
@example((100, ONE, 10, [(10.0, ("fail", HITS[0], 1.0, 10))]))  # just as one begins
@example((100, TWO, 10, [(50.0, NODE), (5.0, ("wait",))]))  # what peers held is gone
@example((100, ONE, 10, [(12.0, ("wait",)), (3.0, ("wait",))]))  # just as one is written
@settings(deadline=None, max_examples=150)
def test_progress_is_that_of_the_slow_program(case):
    total_s, levels, interval_s, steps = case
    fast, slow = Progress(float(total_s), levels), Slowly(total_s, list(levels))
    now_s = 0.0
    fast.run(now_s, 1.0, float(interval_s))
    slow.run(now_s, 1.0, interval_s)
    for after, (what, *how) in steps:
        finish_s = fast.finish_s()
        assert finish_s == slow.finish()
        share = {"soon": 0.25, "late": 0.75}.get(after)  # of what is left
        after_s = after if share is None else (finish_s - now_s) * share // 0.25 * 0.25
        if now_s + after_s >= finish_s:
            break
        now_s += after_s
        assert fast.advance(now_s) == slow.go_to(Fraction(now_s))
        assert fast.work_s == slow.work
        for hit in HITS:
            assert fast.safe_s(hit, now_s) == slow.best(hit)
        assert fast.kept_s(now_s) == slow.kept()
        if what == "wait":
            continue
        if what == "fail":
            hit, *how = how
            assert fast.roll_back(fast.safe_s(hit, now_s)[0], hit) == slow.fail(hit)
            now_s += 100.0
        elif what == "save":
            fast.save_now()
            slow.save_all()
        elif what == "lose":
            fast.lose_last_level(how[0])
            slow.lose_last(how.pop(0))
        elif what == "stall" and slow.writing:
            fast.forget_stall()
            slow.writing = None
        rate, interval_s = how if len(how) == 2 else (fast.rate, how[0])
        fast.run(now_s, rate, float(interval_s))
        slow.run(now_s, rate, interval_s)
    assert fast.finish_s() == slow.finish()


def test_what_is_not_safe_yet_is_lost_and_what_is_stays():
    """By hand: pieces of 10 s, 2 s to write, 6 s until the copy is there."""
    progress = Progress(100.0, (SaveLevel("storage", 1, 2.0, flush_s=6.0),))
    progress.run(0.0, 1.0, 10.0)
    assert progress.finish_s() == 118.0  # nine checkpoints, none at the end
    assert progress.advance(17.0) == 15.0
    assert progress.safe_s((), 17.0) == (0.0, -1)
    assert progress.advance(18.0) == 1.0
    assert progress.safe_s((), 18.0) == (10.0, 0)
    assert progress.advance(24.0) == 4.0  # the second checkpoint has just been written
    assert progress.roll_back(10.0, ()) == 10.0
    progress.run(30.0, 0.5, 10.0)
    assert progress.finish_s() == pytest.approx(30.0 + 180.0 + 16.0)
    assert progress.safe_s((), 40.0) == (10.0, 0)  # the copy on its way was lost


def test_without_levels_nothing_is_saved_whatever_the_interval():
    progress = Progress(50.0, ())
    progress.run(0.0, 1.0, 10.0)
    assert progress.interval_s == inf
    assert progress.finish_s() == 50.0
    progress.advance(40.0)
    assert progress.safe_s((), 40.0) == (0.0, -1)
    assert progress.roll_back(0.0, ()) == 40.0
