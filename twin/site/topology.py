"""Who shares what: the size of the network that joins the nodes."""

from __future__ import annotations

from dataclasses import dataclass

from twin.errors import DomainError


@dataclass(frozen=True)
class FatTree:
    """Switches of a folded Clos network of full bisection bandwidth.

    ``core`` is zero in two tiers; one tier is a single leaf.
    """

    ports: int
    radix: int
    leaf: int
    spine: int = 0
    core: int = 0

    @property
    def tiers(self) -> int:
        """Layers of switches."""
        return 1 + (self.spine > 0) + (self.core > 0)

    @property
    def switches(self) -> int:
        """All switches."""
        return self.leaf + self.spine + self.core


def fat_tree(ports: int, radix: int) -> FatTree:
    """The smallest fat tree of full bisection for a number of end ports.

    Parameters
    ----------
    ports : int
        Ports of NICs to join, at least 1.
    radix : int
        Ports of a switch, even.

    Raises
    ------
    DomainError
        If three tiers of this switch cannot join so many: more than radix^3 / 4.

    Notes
    -----
    Every leaf gives half its ports to nodes. Up to ``radix`` ports need one switch, up to
    ``radix^2 / 2`` two tiers, up to ``radix^3 / 4`` three: pods of ``radix / 2`` leaves and as many
    spines, joined by a core. Partial pods are given whole spines, so counts are of what is bought.

    Sources
    -------
    [leiserson1985] for the tree; [alfares2008] for its sizes in switches of one radix.
    """
    if ports < 1 or radix < 2 or radix % 2:
        raise DomainError(f"a fat tree needs ports and an even radix, found {ports} and {radix}")
    half = radix // 2
    if ports <= radix:
        return FatTree(ports, radix, leaf=1)
    leaf = -(-ports // half)
    if ports <= radix * half:
        return FatTree(ports, radix, leaf=leaf, spine=-(-leaf * half // radix))
    if ports <= radix * half * half:
        pods = -(-leaf // half)
        spine = pods * half
        return FatTree(ports, radix, leaf=leaf, spine=spine, core=-(-spine * half // radix))
    most = radix * half * half
    raise DomainError(f"three tiers of {radix}-port switches join {most:,} ports, not {ports:,}")
