"""What a node draws beside its GPUs, from what is known of the whole node."""

from __future__ import annotations

from twin.catalog.parts import NodeType
from twin.errors import InputError
from twin.facility.model import NodeModel
from twin.physics.conversion import Loss
from twin.physics.power import GpuPower
from twin.scenario.power import Host

# Where the catalog has nothing, all unverified: nodes of the catalog draw 1.5 to 2 times what their
# GPUs do at most, and a sixth to a fifth of that at rest; fans 10 to 18 % of an air-cooled node.
_MOST_OVER_GPUS = 1.75
_IDLE_SHARE = 0.18
_FANS = {True: 0.04, False: 0.14}  # by whether liquid cools it
_NETWORK = 0.05  # of a node's largest power
_SUPPLY_HEADROOM = 1.2  # rating of the power supplies over the largest load


def node_model(
    pool: str, node: NodeType, gpu: GpuPower, host: Host, supply: Loss
) -> tuple[NodeModel, list[str]]:
    """The node model of a pool, and what was assumed for it.

    Parameters
    ----------
    supply : Loss
        Of power supplies rated for 1 W.

    Raises
    ------
    InputError
        If a node is said to draw less than its GPUs alone.
    """
    assumed = []
    max_w = host.max_w or node.max_power_w
    if max_w is None:
        max_w = _MOST_OVER_GPUS * node.gpus * gpu.tdp_w
        assumed.append(
            f"Pool {pool}: the node's largest power is not known; {_MOST_OVER_GPUS:g} times that "
            "of its GPUs is assumed."
        )
    idle_w = host.idle_w if host.idle_w is not None else node.idle_power_w
    if idle_w is None:
        idle_w = max(_IDLE_SHARE * max_w, 1.1 * node.gpus * gpu.idle_w)
        assumed.append(
            f"Pool {pool}: the node's power at rest is not known; {idle_w:.0f} W assumed."
        )
    fans = host.fans
    if fans is None:
        fans = _FANS["liquid" in (node.cooling or "") or "plate" in (node.cooling or "")]
        assumed.append(f"Pool {pool}: fans take {100 * fans:g} % of a node at most, assumed.")
    network_w = host.network_per_gpu_w
    if network_w is None:
        network_w = _NETWORK * max_w / node.gpus
        assumed.append(
            f"Pool {pool}: switches and optics draw {network_w:.0f} W for each GPU, 5 % of a node, "
            "assumed."
        )
    rated_w = _SUPPLY_HEADROOM * max_w
    loss = supply.scaled(rated_w)
    most_w, rest_w = loss.output_w(max_w), loss.output_w(idle_w)
    gpus_most_w, gpus_rest_w = node.gpus * gpu.tdp_w, node.gpus * gpu.idle_w
    if most_w < gpus_most_w:
        raise InputError(
            f"power.host.max: a node of pool {pool!r} draws {max_w:.0f} W at most, less than its "
            f"{node.gpus} GPUs at {gpu.tdp_w:.0f} W and the loss of its supplies; give at least "
            f"{loss.input_w(gpus_most_w):.0f} W"
        )
    if rest_w < gpus_rest_w:
        raise InputError(
            f"power.host.idle: a node of pool {pool!r} draws {idle_w:.0f} W at rest, less than its "
            f"{node.gpus} GPUs at {gpu.idle_w:.0f} W; give at least "
            f"{loss.input_w(gpus_rest_w):.0f} W"
        )
    host_rest_w = rest_w - gpus_rest_w
    rise_w = most_w - gpus_most_w - host_rest_w  # fans at full speed, and the rest of the host
    fan_w = min(fans * most_w, max(rise_w, 0.0))
    if rise_w < 0:
        host_rest_w += rise_w  # at its most the host draws no less than at rest
        assumed.append(
            f"Pool {pool}: the node draws less beside its GPUs at full load than at rest; the "
            "former is taken for both."
        )
    return (
        NodeModel(
            gpus=node.gpus,
            tdp_w=gpu.tdp_w,
            gpu_idle_w=gpu.idle_w,
            rest_w=host_rest_w,
            per_w=max(rise_w - fan_w, 0.0) / (gpus_most_w - gpus_rest_w),
            fan_per_w3=fan_w / gpus_most_w**3,
            supply=loss,
            network_w=network_w * node.gpus,
            off_w=host.off_w,
            wake_w=host.waking_w if host.waking_w is not None else idle_w,
            wake_s=host.wake_s,
        ),
        assumed,
    )
