"""How fast each type of GPU is at training: its data sheet, and what of it was reached.

Shares stand in ``achieved.yaml``, fitted over many models by calibration/heterogeneity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from twin.catalog import parts
from twin.catalog.figures import Part, ratio, read_parts
from twin.errors import CatalogError
from twin.physics import heterogeneity

ACHIEVED = Path(__file__).with_name("achieved.yaml")
_DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class Achieved(Part):
    """Share of its data sheet that a type of GPU reaches, relative to that of the V100."""

    share: float | None = ratio("share")


def data_sheet(gpu_type: str, achieved: float = 1.0) -> heterogeneity.GpuSpeed:
    """Peaks of a type of GPU for training in single precision, as frameworks run it.

    That is TF32 where the GPU has it, and half precision where the catalog knows no other.
    """
    gpu = parts.gpu(gpu_type)
    peaks = [rate for rate in (gpu.fp32_flop_per_s, gpu.tf32_flop_per_s) if rate]
    peak = max(peaks, default=gpu.bf16_flop_per_s or gpu.fp16_flop_per_s)
    if peak is None or gpu.memory_bytes_per_s is None:
        raise CatalogError(
            f"GPU {gpu_type!r}: its peak rate or bandwidth is not in the catalog; give it them in "
            "gpus.yaml or choose another GPU"
        )
    return heterogeneity.GpuSpeed(
        flop_per_s=peak, bytes_per_s=gpu.memory_bytes_per_s, achieved=achieved
    )


@cache
def gpu_speed(gpu_type: str) -> heterogeneity.GpuSpeed:
    """As `data_sheet`, with the share of it that was measured, or that of the other types."""
    known = shares()
    return data_sheet(gpu_type, known.get(gpu_type, known[_DEFAULT]))


@cache
def shares() -> dict[str, float]:
    """Share of each type that was measured, and of the others as "default"."""
    read = read_parts(ACHIEVED, Achieved)
    return {name: part.share for name, (part, _) in read.items() if part.share is not None}
