"""How far a job is: work done at a piecewise constant rate, and what of it is saved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil, floor, inf

from twin.failures.restart import SaveLevel


class Progress:
    """Work of one job, in seconds at nominal speed, and its checkpoints.

    Between changes of rate everything follows from the time alone, so a year with ten thousand
    checkpoints is one step: whole cycles of compute and stall are skipped at once.

    Attributes
    ----------
    work_s, total_s : float
        Work done, and all of it. [s at nominal speed]
    as_of_s : float
        The time that all this is true of. [s]
    rate : float
        Work done in a second of computing.
    interval_s : float
        Work between checkpoints; ``inf`` for none.
    """

    __slots__ = (
        "_flushing",
        "_since_s",
        "_stall_s",
        "_turn",
        "_written",
        "as_of_s",
        "interval_s",
        "levels",
        "rate",
        "saved_s",
        "total_s",
        "work_s",
    )

    def __init__(self, total_s: float, levels: Sequence[SaveLevel]) -> None:
        self.total_s = total_s
        self.levels = levels
        self._written = levels
        self.work_s = 0.0
        self.as_of_s = 0.0
        self.rate = 1.0
        self.interval_s = inf
        self.saved_s = [0.0] * len(levels)  # work that is safe at each level
        self._flushing: list[tuple[float, float]] = []  # a level each: work, safe from when on
        self._since_s = 0.0  # work since the last checkpoint
        self._stall_s = 0.0  # left of the stall that it is in
        self._turn = 0  # checkpoints begun

    def run(self, now_s: float, rate: float, interval_s: float) -> None:
        """Begin to compute, or go on at another rate; `advance` to now first."""
        self.as_of_s = now_s
        self.rate = rate
        self.interval_s = interval_s if self.levels else inf
        self._since_s = min(self._since_s, self.interval_s)  # overdue by the new one: save now

    def lose_last_level(self, lost: bool) -> None:
        """Whether the last level cannot be written for now; `advance` to now first.

        What is on it stays there, a copy on its way does not arrive. A job with one level saves
        nothing meanwhile, and at once when it can again.
        """
        if lost and self._flushing:
            self._flush(self.as_of_s)
            self._flushing[-1] = 0.0, inf
        self._written = self.levels[:-1] if lost else self.levels

    def finish_s(self) -> float:
        """When all work is done, if nothing changes. [s]"""
        left_s = self.total_s - self.work_s
        stalls_s = self._stall_s
        if self.rate == 0.0:
            return inf
        if self._written:
            to_next_s = max(self.interval_s - self._since_s, 0.0)
            if left_s > to_next_s:
                stalls_s += self._stalls_s(ceil((left_s - to_next_s) / self.interval_s))
        return self.as_of_s + (left_s / self.rate + stalls_s)

    def advance(self, now_s: float) -> float:
        """Go on to a time not after the finish; the seconds computed, the rest being stalls."""
        left_s = now_s - self.as_of_s
        self.as_of_s = now_s
        if self._stall_s > 0:
            if left_s < self._stall_s:
                self._stall_s -= left_s
                return 0.0
            left_s -= self._stall_s
            self._stall_s = 0.0
            self._save(now_s - left_s)
        if self.rate == 0.0:  # paused
            return left_s
        computed_s = 0.0
        rate, tau_s = self.rate, self.interval_s if self._written else inf
        while True:
            to_do_s = max(tau_s - self._since_s, 0.0)
            to_next_s = to_do_s / rate
            if left_s < to_next_s or self.work_s + to_do_s >= self.total_s:
                done_s = min(left_s * rate, self.total_s - self.work_s)
                self.work_s += done_s
                self._since_s += done_s
                return computed_s + left_s
            self.work_s += to_do_s
            self._since_s = 0.0
            computed_s += to_next_s
            left_s -= to_next_s
            self._turn += 1
            stall_s = self._stall_of(self._turn)
            if left_s < stall_s:
                self._stall_s = stall_s - left_s
                return computed_s
            left_s -= stall_s
            self._save(now_s - left_s)
            # Whole rounds of the levels, as many as are over and leave some work to do.
            round_ = self._written[-1].every
            if self._turn % round_ == 0:
                round_s = round_ * tau_s / rate + self._stalls_s(round_)
                left_work_s = self.total_s - self.work_s
                rounds = min(floor(left_s / round_s), ceil(left_work_s / (round_ * tau_s)) - 1)
                if rounds > 0:
                    self._turn += rounds * round_
                    self.work_s += rounds * round_ * tau_s
                    computed_s += rounds * round_ * tau_s / rate
                    left_s -= rounds * round_s
                    for at, level in enumerate(self._written):
                        self.saved_s[at] = self.work_s - level.every * tau_s
                    self._flushing = []
                    self._save(now_s - left_s)

    def stalled_share(self) -> float:
        """Share of the time that checkpoints take in the long run, at this rate."""
        if not self._written or self.interval_s == inf or self.rate == 0.0:
            return 0.0
        round_ = self._written[-1].every
        stall_s = sum(level.write_s * (round_ // level.every) for level in self._written)
        return stall_s / (stall_s + round_ * self.interval_s / self.rate)

    def safe_s(self, hit: Collection[str], now_s: float) -> tuple[float, int]:
        """The most work that can be read back after faults at these levels, and from which level.

        The level is -1 if there is none: the job begins anew.
        """
        self._flush(now_s)
        best_s, best = 0.0, -1
        for at, level in enumerate(self.levels):
            if self.saved_s[at] > best_s and level.outlives(hit):
                best_s, best = self.saved_s[at], at
        return best_s, best

    def kept_s(self, now_s: float) -> float:
        """Work that the last level, which keeps all its copies, has safe now."""
        self._flush(now_s)
        return self.saved_s[-1] if self.saved_s else 0.0

    def discard(self, beyond_s: float) -> None:
        """All copies of more work than that are worth nothing."""
        self.saved_s = [min(saved_s, beyond_s) for saved_s in self.saved_s]
        self._flushing = []

    def roll_back(self, to_s: float, hit: Collection[str]) -> float:
        """Lose what is not saved and the copies that did not outlive the fault; the work lost."""
        lost_s = self.work_s - to_s
        self.work_s = to_s
        for at, level in enumerate(self.levels):
            self.saved_s[at] = min(self.saved_s[at], to_s) if level.outlives(hit) else 0.0
        self._since_s = self._stall_s = 0.0
        self._flushing = []
        return lost_s

    def save_now(self) -> None:
        """All levels hold all work: the job has saved before it is moved."""
        self.saved_s = [self.work_s] * len(self.levels)
        self._since_s = self._stall_s = 0.0
        self._flushing = []

    def forget_stall(self) -> None:
        """A checkpoint that was being written is not; work goes on to the next."""
        if self._stall_s:
            self._since_s = self._stall_s = 0.0

    def _save(self, now_s: float) -> None:
        """The checkpoint of this turn has been written."""
        self._flush(now_s)
        for at, level in enumerate(self._written):
            if self._turn % level.every == 0:
                if level.flush_s == 0:
                    self.saved_s[at] = self.work_s
                else:
                    if not self._flushing:
                        self._flushing = [(0.0, inf)] * len(self.levels)
                    self._flushing[at] = self.work_s, now_s + level.flush_s

    def _flush(self, now_s: float) -> None:
        for at, (work_s, safe_s) in enumerate(self._flushing):
            if safe_s <= now_s:
                self.saved_s[at] = work_s
                self._flushing[at] = work_s, inf

    def _stall_of(self, turn: int) -> float:
        return sum(level.write_s for level in self._written if turn % level.every == 0)

    def _stalls_s(self, n: int) -> float:
        """How long the next ``n`` checkpoints stop the job in all."""
        turn = self._turn
        return sum(
            level.write_s * ((turn + n) // level.every - turn // level.every)
            for level in self._written
        )
