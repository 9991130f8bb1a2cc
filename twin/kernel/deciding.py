"""Asking the scheduler: how long it takes, and what is said when it goes wrong."""

from __future__ import annotations

import signal
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np

from twin.errors import PolicyError, TwinError

if TYPE_CHECKING:
    from twin.kernel.job import Job
    from twin.policies.base import Scheduler

DECISION_LIMIT_S = 60.0  # wall clock; the slowest that we ship takes seconds at its worst
_LOOK_EVERY_S = 0.5


class Deciding:
    """Keeps the time of the scheduler's decisions, and turns its failures into one message.

    Attributes
    ----------
    took_s : array of float
        Wall-clock time of each decision: one an instant at which it was asked. [s]
    about : Job or None
        The job that it decided about last.
    """

    def __init__(self, scheduler: Scheduler, limit_s: float = DECISION_LIMIT_S) -> None:
        self._name = type(scheduler).__name__
        self._limit_s = limit_s
        self._since_s = 0.0
        self.now_s = 0.0
        self.took_s = array("d")
        self.about: Job | None = None

    def begin(self, now_s: float) -> None:
        """It is asked."""
        self.now_s = now_s
        self.about = None
        self._since_s = perf_counter()

    def end(self) -> None:
        """It has answered."""
        self.took_s.append(perf_counter() - self._since_s)
        self._since_s = 0.0

    @contextmanager
    def asks(self, policy: object, now_s: float) -> Iterator[None]:
        """Another policy than the scheduler is asked, and may take as long; it is not counted."""
        scheduler, self._name = self._name, type(policy).__name__
        self.begin(now_s)
        try:
            yield
        except (Exception, SystemExit) as error:
            told = self.failed(error)
            if told is error:
                raise
            raise told from error
        finally:
            self._name, self._since_s = scheduler, 0.0

    def summary(self) -> dict[str, float]:
        """How many decisions, and how long they took. [s]"""
        took_s = np.frombuffer(self.took_s) if len(self.took_s) else np.zeros(1)
        p50_s, p99_s = np.percentile(took_s, [50, 99]).tolist()
        return {
            "decisions": len(self.took_s),
            "deciding_s": float(took_s.sum()),
            "decision_p50_s": p50_s,
            "decision_p99_s": p99_s,
            "decision_max_s": float(took_s.max()),
        }

    def wrong(self, job: object, why: str) -> PolicyError:
        """It decided what cannot be done."""
        return PolicyError(f"{self._name} chose {job} at {self.now_s:g} s, {why}")

    def failed(self, error: BaseException) -> BaseException:
        """It raised: said with the time and the job that it was at."""
        if isinstance(error, TwinError):
            return error
        about = f" after deciding about {self.about}" if self.about is not None else ""
        return PolicyError(
            f"{self._name} raised {type(error).__name__}: {error}, at {self.now_s:g} s{about}; "
            "run with --debug before the command to see where"
        )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Stop a decision that takes longer than the limit.

        A timer interrupts the main thread now and then to look; elsewhere, and where the system has
        no such timer, nothing is stopped.
        """
        if threading.current_thread() is not threading.main_thread() or not hasattr(
            signal, "setitimer"
        ):
            yield
            return
        before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY_S, _LOOK_EVERY_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        if self._since_s and perf_counter() - self._since_s > self._limit_s:
            about = f"; it decided about {self.about} last" if self.about is not None else ""
            raise PolicyError(
                f"{self._name} takes more than {self._limit_s:g} s to decide at "
                f"{self.now_s:g} s{about}. Give policies.decision_limit more, or let it look at "
                "fewer jobs"
            )
