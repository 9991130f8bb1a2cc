"""Parts in service that are not well: slow ones, slow links, and some that corrupt all they do."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from twin.kernel.life import Life

GpusOf = Iterable[tuple[int, int]]  # node, and a bit for each GPU of it
_WELL = 1.0, -1


class Defects:
    """Which GPUs are not well, because of which incidents, and which jobs they have spoilt."""

    def __init__(self) -> None:
        # node -> incident -> its GPUs, and what is left of their speed
        self._slow: dict[int, dict[int, tuple[int, float]]] = {}
        self._degraded: dict[int, dict[int, tuple[int, float]]] = {}
        self._silent: dict[int, dict[int, tuple[int, float]]] = {}
        self._spoilt: dict[int, set[int]] = {}  # incident -> rows of jobs

    def slow_down(self, incident: int, gpus: GpusOf, speed: float) -> None:
        """These GPUs compute at this share of their speed."""
        _note(self._slow, incident, gpus, speed)

    def degrade(self, incident: int, gpus: GpusOf, pace: float) -> None:
        """These exchange so slowly that a job has this share of its pace left."""
        _note(self._degraded, incident, gpus, pace)

    def corrupt(self, incident: int, gpus: GpusOf) -> None:
        """All that these do from now on is corrupt."""
        _note(self._silent, incident, gpus, inf)
        self._spoilt[incident] = set()

    def mend(self, incident: int, gpus: GpusOf) -> None:
        """They are as fast as ever, as far as this incident goes."""
        _forget(self._slow, incident, gpus)
        _forget(self._degraded, incident, gpus)

    def unmask(self, incident: int, gpus: GpusOf) -> list[int]:
        """It is known that these corrupt; the rows of the jobs that they have spoilt."""
        _forget(self._silent, incident, gpus)
        return sorted(self._spoilt.pop(incident))

    def slow_job(self, life: Life) -> None:
        """Find the speed that a job has with the GPUs that it computes on, and because of what."""
        life.speed, life.slow_incident = _worst(life, self._slow)
        alone = life.gang_nodes < 2
        life.comm, life.link_incident = _WELL if alone else _worst(life, self._degraded)

    def spoil(self, life: Life, nodes: Iterable[int], now_s: float) -> None:
        """What a job does from now on is corrupt if it computes on a GPU that corrupts.

        A service has no work that could be.
        """
        if not self._silent or life.job.job_kind == "serving":
            return
        for node in nodes:
            for incident, (gpus, _) in self._silent.get(node, {}).items():
                if node not in life.standby and life.job.held[node] & gpus:
                    self._spoilt[incident].add(life.job.row)
                    life.clean_s = min(life.clean_s, life.progress.kept_s(now_s))


def _note(
    of: dict[int, dict[int, tuple[int, float]]], incident: int, gpus: GpusOf, left: float
) -> None:
    for node, mask in gpus:
        of.setdefault(node, {})[incident] = mask, left


def _forget(of: dict[int, dict[int, tuple[int, float]]], incident: int, gpus: GpusOf) -> None:
    for node, _ in gpus:
        here = of.get(node)
        if here is not None and here.pop(incident, None) is not None and not here:
            del of[node]


def _worst(life: Life, of: dict[int, dict[int, tuple[int, float]]]) -> tuple[float, int]:
    """The least that is left of any GPU that a job computes on, and the incident."""
    worst = _WELL
    held = life.job.held
    for node in held if len(held) < len(of) else of:
        if node in held and node in of and node not in life.standby:
            for incident, (gpus, left) in of[node].items():
                if held[node] & gpus:
                    worst = min(worst, (left, incident))
    return worst
