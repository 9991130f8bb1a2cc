# PLACEHOLDER by the lead so that the kernel can be tried; helper B: overwrite this file.
from twin.physics.conversion import Loss

_C = {
    "none": Loss(0.0, 0.0, 0.0),
    "psu-titanium": Loss(0.005, 0.02, 0.03),
    "busbar-48v": Loss(0, 0, 0.015),
    "pdu": Loss(0.002, 0.003, 0.01),
    "ups-double-conversion": Loss(0.01, 0.02, 0.02),
    "transformer": Loss(0.003, 0.0, 0.01),
}


def converter(name: str) -> Loss:
    return _C[name]


def converter_names() -> list[str]:
    return sorted(_C)
