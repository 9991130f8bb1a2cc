"""No oversubscription: what is lit could draw its nameplate power under every cap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import LightingPolicy
from twin.policies.power_view import Hall
from twin.policies.powering import Room, whole_beside_busy
from twin.policies.sharing import Draws, first_fit
from twin.registry import policy


@policy("nameplate")
@dataclass(frozen=True, kw_only=True)
class Nameplate(LightingPolicy):
    """Light as many nodes as could all draw their nameplate power under all caps; derating.

    Busy nodes first, then whole racks, then what else fits, lowest ids first. So no cap is ever
    in the way of a job, and the power that jobs do not draw is left unused.
    """

    def light(self, hall: Hall) -> NDArray[np.int8]:
        room = Room(hall)

        def choose(on: Draws) -> NDArray[np.bool_]:
            whole = whole_beside_busy(hall, on, room.room_w, "rack")
            order = np.lexsort((~whole, hall.down, ~hall.busy))
            return first_fit(on, room.room_w, order)

        return room.answers(room.fill(hall.nameplate_w, choose), choose)
