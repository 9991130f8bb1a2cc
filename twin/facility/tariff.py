# PLACEHOLDER by the lead so that the kernel can be tried; helper B: overwrite this file.
from dataclasses import dataclass


@dataclass(frozen=True)
class Tariff:
    pass


def tariff(*a: object) -> Tariff:
    return Tariff()
