"""One fault, from its beginning until its part is back in service."""

from __future__ import annotations

from twin.failures.model import FaultClass
from twin.kernel.job import Job


class Fault:
    """One fault of one part, from its beginning until the part is back in service."""

    __slots__ = (
        "cls",
        "incident",
        "index",
        "jobs",
        "lasts_s",
        "leaving",
        "level",
        "nodes",
        "part",
        "planned",
        "renews",
        "sick",
        "stage",
        "turn",
    )

    def __init__(self, index: int, cls: FaultClass, part: int, turn: int, lasts_s: float) -> None:
        self.index = index
        self.cls = cls
        self.part = part
        self.turn = turn
        self.lasts_s = lasts_s  # where it was said beforehand; otherwise -1
        self.incident = -1
        self.level = ""  # of what it takes
        self.sick: list[tuple[int, int]] = []  # nodes, and the GPUs of each, that are not well
        self.nodes: list[tuple[int, int]] = []  # and those that the repair takes
        self.jobs: list[Job] = []
        self.leaving = 0  # nodes that jobs have yet to leave
        self.planned = False
        self.renews = lasts_s < 0  # whether the part begins another life when it is mended
        self.stage = 0
