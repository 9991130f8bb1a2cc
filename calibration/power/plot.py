"""One picture: jobs of networks that were held out, against the laws made without them."""

from __future__ import annotations

from pathlib import Path

import held_out
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from held_out import Errors
from matplotlib.axes import Axes
from model import fit
from sweeps import GPUS, Array, read_sweeps

mpl.use("Agg")

PICTURE = Path(__file__).with_name("held_out.png")
# Okabe and Ito: safe for colour-blind eyes; marks and dashes tell them apart in grey.
MEASURED, OWN, OTHER = "black", "#0072b2", "#d55e00"
TITLES = {"v100": "V100, 250 W", "rtx6000": "RTX 6000, 260 W"}


def draw() -> None:
    """Write the picture."""
    jobs = {gpu: [job for job in read_sweeps(gpu) if job.bound] for gpu in GPUS}
    laws = {gpu: fit(jobs[gpu], tdp_w) for gpu, tdp_w in GPUS.items()}
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.6), layout="constrained", sharex=True)
    for column, (gpu, tdp_w) in enumerate(GPUS.items()):
        (other,) = set(GPUS) - {gpu}
        folds = held_out.without_network(jobs[gpu], tdp_w)
        own = held_out.joined([errors for _, errors in folds.values()])
        carried = held_out.errors(laws[other], tdp_w, jobs[gpu])
        caps = jobs[gpu][0].cap_w[:-1] / tdp_w
        panel(axes[0, column], caps, own, carried, "rate", 1.0)
        panel(axes[1, column], caps, own, carried, "power_w", tdp_w)
        axes[0, column].set_title(TITLES[gpu])
        axes[1, column].set_xlabel("limit, of TDP")
    axes[0, 0].set_ylabel("speed, of that without a limit")
    axes[1, 0].set_ylabel("mean power, of TDP")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(PICTURE, dpi=90)
    plt.close(figure)


def panel(axes: Axes, caps: Array, own: Errors, carried: Errors, what: str, unit: float) -> None:
    """Medians over jobs, and the range from the 10th to the 90th in a hundred."""
    measured = getattr(own, what) / unit
    low, middle, high = np.quantile(measured, [0.1, 0.5, 0.9], axis=0)
    axes.errorbar(
        caps, middle, [middle - low, high - middle], fmt="o", color=MEASURED, label="measured"
    )
    name = "rate_error" if what == "rate" else "power_error"
    for errors, colour, dash, label in (
        (own, OWN, "-", "predicted, network held out"),
        (carried, OTHER, "--", "curve of the other GPU"),
    ):
        told = getattr(errors, what) * (1 + getattr(errors, name)) / unit
        low, middle, high = np.quantile(told, [0.1, 0.5, 0.9], axis=0)
        axes.plot(caps, middle, dash, color=colour, label=label)
        if errors is own:
            axes.fill_between(caps, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.grid(alpha=0.3)
