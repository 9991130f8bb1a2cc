"""Numbers that belong to one fault, whatever else happens: its luck at each turn of its life."""

from __future__ import annotations

from collections.abc import Sequence

from twin.distributions import Distribution
from twin.failures.draws import at, key, uniform
from twin.failures.model import FaultClass
from twin.kernel.fault import Fault

# Purposes of the numbers; stages of its repair come after them.
IDLE, COMMON, WRONG, WHICH, DETECTION, RECURS, STAGES = 0, 1, 2, 3, 4, 7, 8
_PURPOSES = 64


class Marks:
    """Draws that are the same in every run of a seed, by class, part, turn and purpose."""

    def __init__(self, seed: int, classes: Sequence[FaultClass]) -> None:
        self._keys = [key(seed, f"failures/{cls.name}/marks") for cls in classes]

    def add_planned(self) -> None:
        """A further class, one of what is planned: nothing about it is left to luck."""
        self._keys.append(0)

    def share(self, fault: Fault, purpose: int) -> float:
        """A number that is uniform in [0, 1)."""
        return self.share_of(fault.index, fault.part, fault.turn, purpose)

    def share_of(self, index: int, part: int, turn: int, purpose: int) -> float:
        """The same, of a fault that has not begun."""
        return uniform(self._keys[index], part, turn * _PURPOSES + purpose)

    def draw(self, fault: Fault, purpose: int, law: Distribution) -> float:
        """A number of this law."""
        return at(law, self.share(fault, purpose))
