"""Labels that a trace lacks, drawn for its jobs: model, service class, deadline, elastic sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from twin.workload.jobs import Workload

if TYPE_CHECKING:
    from twin.scenario.labels import Label


def label(workload: Workload, spec: Label, rng: np.random.Generator) -> Workload:
    """The same jobs with what the trace does not say of them, drawn independently of the rest.

    Parameters
    ----------
    workload : Workload
    spec : Label
        Weights of models, classes and GPU types; a law of the slack; factors of elastic sizes.
    rng : Generator

    Notes
    -----
    A deadline is the submit time plus the run time times a draw of ``slack``. Elastic sizes are the
    GPUs asked for over ``shrinks``, at least 1, to the same times ``grows``.
    """
    jobs = workload.jobs.copy()
    n = len(jobs)
    for column in ("model", "qos", "gpu_types", "group"):
        weights: Mapping[str, float] = getattr(spec, column)
        if weights:
            chance = np.array(list(weights.values()))
            drawn = rng.choice(len(weights), n, p=chance / chance.sum())
            jobs[column] = pd.Categorical.from_codes(drawn, pd.Index(list(weights)))
    if spec.slack is not None:
        jobs["deadline_s"] = jobs["submit_s"] + jobs["run_s"] * spec.slack.sample(rng, n)
    gpus = jobs["gpus"].to_numpy()
    if spec.shrinks > 1 or spec.grows > 1:
        jobs["min_gpus"] = np.maximum(gpus // spec.shrinks, np.minimum(gpus, 1)).astype(np.int32)
        jobs["max_gpus"] = (gpus * spec.grows).astype(np.int32)
    if spec.most_gpus is not None:
        jobs["max_gpus"] = np.maximum(np.minimum(jobs["max_gpus"], spec.most_gpus), gpus)
        jobs["max_gpus"] = jobs["max_gpus"].astype(np.int32)
    made = workload.with_jobs(jobs)
    told = [name for name in ("model", "qos", "gpu_types", "group") if getattr(spec, name)]
    told += ["deadline"] * (spec.slack is not None)
    told += ["sizes"] * (spec.shrinks > 1 or spec.grows > 1 or spec.most_gpus is not None)
    if not told:
        return made
    note = f"Not in the source, but drawn for each job by itself: {', '.join(told)}."
    return replace(made, intake=replace(made.intake, notes=(*made.intake.notes, note)))
