"""What is to be done: a trace read from a file, or jobs drawn by a generator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.scenario import check
from twin.scenario.check import KnownName
from twin.scenario.distributions import DurationLaw, FactorLaw
from twin.scenario.forms import Tagged
from twin.scenario.labels import Label
from twin.scenario.quantities import (
    Bytes,
    Count,
    CountKey,
    FilePath,
    Moment,
    Name,
    PerSecond,
    PositiveNumber,
    PositiveSeconds,
    PositiveShare,
    Seconds,
    Weight,
    WholeNumber,
)
from twin.scenario.section import Section, fault
from twin.scenario.services import Service
from twin.scenario.speeds import Speeds

TraceFormat = Annotated[str, KnownName("trace format", check.trace_formats, also=("auto",))]
JobColumn = Annotated[str, KnownName("column", check.job_columns)]


class Trace(Section):
    """A job trace in a file."""

    path: FilePath = Field(description="the trace's file")
    format: TraceFormat = Field(
        default="auto", description="its format; auto goes by name and content"
    )
    on_bad_row: Literal["error", "skip"] = Field(
        default="error", description="stop at a row that makes no sense, or count, list and skip it"
    )
    columns: Mapping[JobColumn, str] = Field(
        default_factory=dict, description="for format generic: our column -> the file's column"
    )
    include: Literal["ran", "asked"] = Field(
        default="ran",
        description="GPU jobs that ran; or, for alibaba-2023, all that was asked for: jobs that "
        "never ran and jobs without GPUs too",
    )

    @model_validator(mode="after")
    def _columns_are_heeded(self) -> Self:
        if self.columns and self.format not in ("auto", "generic"):
            raise ValueError(f"columns are for format generic; {self.format!r} has its own")
        return self

    @model_validator(mode="after")
    def _include_is_heeded(self) -> Self:
        if self.include == "asked" and self.format not in ("auto", "alibaba-2023"):
            message = f"asked is for format alibaba-2023; of {self.format!r} only jobs that ran"
            raise fault(message, self.include, "include")
        return self


class Poisson(Section):
    """Arrivals without memory at a constant rate; no rate: that of the model or trace."""

    rate_per_s: PerSecond | None = Field(default=None, description="jobs by time, on average")


class Weekly(Section):
    """Poisson arrivals whose rate follows the hours of the week of the model or trace.

    Hour 0 of the week is Monday 00:00; a scenario without ``start`` begins there.
    """

    rate_per_s: PerSecond | None = Field(
        default=None, description="jobs by time, on average over a week"
    )


class Bursty(Section):
    """Renewal arrivals with gamma gaps: ``cv`` above 1 clusters them, 1 is Poisson."""

    rate_per_s: PerSecond | None = Field(default=None, description="jobs by time, on average")
    cv: PositiveNumber = Field(
        default=3.0, description="standard deviation of the gaps over their mean"
    )


Arrivals = Annotated[
    Poisson | Weekly | Bursty,
    Tagged(poisson=Poisson, weekly=Weekly, bursty=Bursty, example="{poisson: {rate: 30 per h}}"),
]


class Synthetic(Section):
    """Jobs drawn from a fitted model, as many as ``jobs`` or as arrive within ``duration``.

    Everything left out is as fitted: arrivals, sizes, durations, users.
    """

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("jobs", "duration_s"),)

    model: Literal["philly"] = Field(default="philly", description="the fitted model")
    jobs: Count | None = Field(default=None, description="number of jobs")
    duration_s: PositiveSeconds | None = Field(default=None, description="span of the arrivals")
    arrivals: Arrivals | None = Field(default=None, description="how jobs arrive")
    load: PositiveNumber | None = Field(
        default=None,
        description="GPU-time submitted over GPU-time there, that arrivals are scaled to",
    )
    sizes: Mapping[CountKey, Weight] | None = Field(
        default=None, min_length=1, description="GPUs of a job -> weight"
    )
    durations: DurationLaw | None = Field(default=None, description="law of the jobs' durations")
    max_gpus: Count | None = Field(
        default=None, description="largest job; larger ones are not drawn"
    )
    users: Count | None = Field(default=None, description="number of users")

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if self.load and self.arrivals and self.arrivals.rate_per_s:
            raise ValueError("load and the rate of arrivals say the same; give one of them")
        if self.sizes is not None:
            drawn = {g: w for g, w in self.sizes.items() if g <= (self.max_gpus or g)}
            if not sum(drawn.values()) > 0:
                raise ValueError("sizes have no weight above zero (up to max_gpus, if given)")
        return self


class WrittenJobs(Section):
    """One job, or ``count`` alike, ``every`` so long apart."""

    name: Name | None = Field(default=None, description="a name; several get a number each")
    count: Count = Field(default=1, description="how many such jobs")
    gpus: Count = Field(description="GPUs of each")
    run_s: PositiveSeconds = Field(description="duration of the work at nominal speed")
    submit_s: Seconds = Field(default=0.0, description="when the first is submitted")
    every_s: Seconds = Field(default=0.0, description="time between the submits of several")
    user: Name | None = Field(default=None, description="who submits them")
    group: Name | None = Field(default=None, description="group or queue")
    kind: Literal["training", "batch", "interactive", "serving"] = Field(
        default="training", description="what they do"
    )
    priority: WholeNumber = Field(default=0, description="higher goes first where it is heeded")
    pool: Name | None = Field(default=None, description="the only pool that will do")
    model: Name | None = Field(default=None, description="the model trained or served")
    gpu_fraction: PositiveShare = Field(default=1.0, description="share of each GPU asked for")
    cpus: PositiveNumber | None = Field(
        default=None, description="CPU cores of each in all, for sharing.limits"
    )
    memory_bytes: Bytes | None = Field(
        default=None, description="host memory of each in all, for sharing.limits"
    )
    deadline_s: PositiveSeconds | None = Field(
        default=None, description="time after its submit by which each should have ended"
    )
    qos: Name | None = Field(default=None, description="class of service")
    min_gpus: Count | None = Field(
        default=None, description="fewest GPUs that each can work on; as many as it asks for"
    )
    max_gpus: Count | None = Field(
        default=None, description="most GPUs that each can make use of; as many as it asks for"
    )
    gpu_types: tuple[Name, ...] = Field(
        default=(), description="GPU types that will do; any if left out"
    )
    data_bytes: Bytes | None = Field(
        default=None, description="moved back at the end of each that ends in a cloud"
    )

    @model_validator(mode="after")
    def _sizes_enclose_gpus(self) -> Self:
        least, most = self.min_gpus or self.gpus, self.max_gpus or self.gpus
        if not least <= self.gpus <= most:
            raise ValueError(
                f"gpus: {self.gpus} must lie between min_gpus ({least}) and max_gpus ({most})"
            )
        return self


class Window(Section):
    """Keeps jobs submitted in [start, end); ``start`` becomes second 0."""

    start: Moment | None = Field(
        default=None, description="a date, or a duration since the first submit"
    )
    end: Moment | None = Field(
        default=None, description="a date, or a duration since the first submit"
    )

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        start, end = self.start, self.end
        if start is None and end is None:
            raise ValueError("needs a start, an end or both")
        backwards = (
            isinstance(start, datetime) and isinstance(end, datetime) and end <= start
        ) or (isinstance(start, float) and isinstance(end, float) and end <= start)
        if backwards or (start is None and end == 0.0):
            raise ValueError("end must come after start")
        return self


class TimeScale(Section):
    """Multiplies the gaps between submits: 0.5 makes jobs come twice as fast."""

    bare: ClassVar[str] = "factor"
    factor: PositiveNumber = Field(description="factor on the time between submits")


class LoadScale(Section):
    """Multiplies the number of jobs: below 1 drops some at random, above 1 repeats some."""

    bare: ClassVar[str] = "factor"
    factor: PositiveNumber = Field(description="factor on the number of jobs")


class MaxGpus(Section):
    """Drops jobs that ask for more GPUs, and counts them."""

    bare: ClassVar[str] = "gpus"
    gpus: Count = Field(description="GPUs of the largest job kept")


class Shuffle(Section):
    """Deals the jobs to the submit times at random: breaks what ties a job to its neighbours."""


class ResampleArrivals(Section):
    """Draws the submit times anew over the trace's span; jobs keep their order."""

    bare: ClassVar[str] = "arrivals"
    arrivals: Arrivals = Field(description="how jobs arrive")


class Fill(Section):
    """Draws jobs with replacement that come one after another and stay, until the site is full."""

    until: PositiveNumber = Field(
        description="the last job brings the GPUs asked for to this share of those installed"
    )
    every_s: PositiveSeconds = Field(default=1.0, description="time from one submit to the next")


Transform = Annotated[
    Window | TimeScale | LoadScale | MaxGpus | Shuffle | ResampleArrivals | Fill | Label,
    Tagged(
        window=Window,
        time_scale=TimeScale,
        load_scale=LoadScale,
        max_gpus=MaxGpus,
        shuffle=Shuffle,
        resample_arrivals=ResampleArrivals,
        fill=Fill,
        label=Label,
        example="{load_scale: 0.5}",
    ),
]


class ExactTimes(Section):
    """Estimates are the true run times, each times a factor of its own."""

    bare: ClassVar[str] = "factor"
    factor: FactorLaw = Field(description="law of the factor")


Estimates = Annotated[
    Literal["exact", "trace"] | ExactTimes,
    Tagged(
        "exact",
        "trace",
        exact_times=ExactTimes,
        example="exact or {exact_times: {lognormal: {median: 1.5, sigma: 1}}}",
    ),
]


class Workload(Section):
    """A trace, a generator or jobs written out, then transforms in the order written.

    Beside them, or alone, services whose replicas come and go as demand has it.
    """

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("trace", "synthetic", "jobs"),)
    instead: ClassVar[str] = "services"

    trace: Trace | None = Field(default=None, description="a job trace in a file")
    synthetic: Synthetic | None = Field(default=None, description="jobs drawn from a fitted model")
    jobs: tuple[WrittenJobs, ...] = Field(default=(), description="jobs written out one by one")
    services: tuple[Service, ...] = Field(
        default=(), description="replicas that come and go, and have right of way"
    )
    transforms: tuple[Transform, ...] = Field(
        default=(), description="changes of the jobs, in the order written"
    )
    speeds: Speeds | None = Field(
        default=None,
        description="how fast jobs run on which GPUs; without it all GPUs are alike",
    )
    estimates: Estimates = Field(
        default="exact", description="what schedulers are told of run times"
    )

    @model_validator(mode="after")
    def _services_say_what_they_serve(self) -> Self:
        for at, service in enumerate(self.services):
            if self.speeds is not None and service.model is None:
                message = "speeds are told by model: say which model this service serves"
                raise fault(message, None, "services", at, "model")
        return self

    @model_validator(mode="after")
    def _services_have_names_of_their_own(self) -> Self:
        for at, name in check.repeated([service.name for service in self.services]):
            message = f"there is another service named {name!r}; give each a name of its own"
            raise fault(message, name, "services", at, "name")
        return self
