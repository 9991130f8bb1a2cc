"""Times as files of text write them."""

from __future__ import annotations

import math


def seconds(time_s: float, unknown: str = "") -> str:
    """A time to the microsecond, whole seconds without a point. [s]"""
    if not math.isfinite(time_s):
        return unknown
    text = f"{time_s:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
