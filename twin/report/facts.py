"""What the page of a run states in words and tables: the answer first, then what carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twin.report import numbers
from twin.report.batch import batch_jobs
from twin.report.sizes import known
from twin.report.source import installed_gpus, ledger, length_s, share_of_bought
from twin.report.theme import SHARE_COLOURS
from twin.results.store import Results
from twin.tables import GPU_TIME_SHARES, HEADLINES, JOB_STATES, Headline, Share, look_up, tells
from twin.units import format_si

_LISTED = 12  # rows of the tables of single jobs
_ENDLESS_S = 1e11  # work of over 3,000 years: of jobs that stay to the end of a run
_TEXT = 60  # characters of a user-supplied string in a table


@dataclass(frozen=True)
class Card:
    """A headline number: what it is, how much, and one line more."""

    label: str
    value: str
    more: str = ""


@dataclass(frozen=True)
class LedgerRow:
    """A share of the ledger, written out."""

    share: Share
    colour: str
    gpu_hours: str
    percent: str
    zero: bool


def answer(run: Results) -> str:
    """The run in one or two sentences."""
    gpus, span = installed_gpus(run), numbers.duration(length_s(run))
    total = look_up(run.summary, "jobs.submitted") or 0
    if not gpus:
        return f"No GPU-time passed in this run; {numbers.count(total)} jobs were submitted."
    useful = numbers.percent(share_of_bought(run, "useful"), 0)
    rented = ""
    if (rentable := look_up(run.summary, "site.rentable_gpus")) is not None:
        gpus -= rentable
        rented = f" and up to {numbers.count(look_up(run.summary, 'cloud.peak_gpus') or 0)} rented"
    sentences = [
        f"Of {numbers.count(gpus)} GPUs{rented} over {span}, {useful} of GPU-time did useful work"
    ]
    wait_s = known(batch_jobs(run), "wait_s")
    if not total:
        sentences.append("no job was submitted.")
    elif not wait_s.size:
        sentences.append(f"none of the {numbers.count(total)} jobs started.")
    elif not (wait_s > 0).any():
        queued = look_up(run.summary, "jobs.queued") or 0
        started = "no job that started waited" if queued else "no job waited"
        sentences.append(f"{started}{_still(queued)}.")
    else:
        waited = numbers.percent(float((wait_s > 0).mean()), 0)
        mean = numbers.duration(float(wait_s.mean()))
        sentences.append(f"{waited} of jobs waited, and the mean wait over all jobs was {mean}.")
    had = look_up(run.summary, "services.served_share")
    if numbers.is_number(had):
        sentences.append(f"services had {numbers.percent(had)} of the replica-time they wanted.")
    return "; ".join(part.removesuffix(".") for part in sentences) + "."


def _still(queued: int) -> str:
    """Jobs that the end of the run found waiting, as a clause; empty if there are none."""
    if not queued:
        return ""
    return f", and {numbers.count(queued)} still waited at the end"


def largest_loss(run: Results) -> str:
    """Where most of the GPU-time went that was not useful; empty if all of it was."""
    parts = {share: share_of_bought(run, share.name) for share in GPU_TIME_SHARES[:-1]}
    share = max(parts, key=lambda each: parts[each])
    if not parts[share] > 0:
        return ""
    part = numbers.percent(parts[share], 0)
    return f"The largest part of the rest, {part}, was {share.label}: {share.meaning}."


def waited_fraction(run: Results) -> float | None:
    """Share of the jobs that waited, of those that started; None if none did."""
    wait_s = known(batch_jobs(run), "wait_s")
    return float((wait_s > 0).mean()) if wait_s.size else None


# Two figures that lead every page; they come from the ledger and the job table.
USEFUL = Headline("useful_share", "useful GPU-time", "", "more")
WAITED = Headline("waited_fraction", "jobs that waited", "", "less")


def headline_values(run: Results) -> dict[Headline, float | None]:
    """The headline figures of a run, None where it has no such figure.

    Returns
    -------
    dict
        `USEFUL` (of what was bought), `WAITED` (of the jobs that started), then `tables.HEADLINES`.
    """
    useful = share_of_bought(run, "useful")
    values: dict[Headline, float | None] = {
        USEFUL: useful if numbers.is_number(useful) else None,
        WAITED: waited_fraction(run),
    }
    for entry in HEADLINES:
        value = look_up(run.summary, entry.key) if tells(entry, run.summary) else None
        values[entry] = value if numbers.is_number(value) else None
    return values


def cards(run: Results, *, without: tuple[str, ...] = ()) -> list[Card]:
    """The headline figures that the run has, written out.

    Parameters
    ----------
    without : tuple of str
        Beginnings of the keys of those that another section of the page shows.
    """
    submitted = numbers.count(look_up(run.summary, "jobs.submitted") or 0)
    who = "jobs and services" if "services" in run.summary else "jobs"
    more = {
        USEFUL.key: "of what was bought",
        WAITED.key: f"of {numbers.count(known(batch_jobs(run), 'wait_s').size)} that started",
        "utilisation": f"GPU-time that {who} asked for, of what was installed until the last end",
        "jobs.completed": f"of {submitted} submitted",
        "scheduling.jain": "attained over entitled GPU-time; 1 if all are served alike",
        "scheduling.rho_max": "completion over that alone on an equal share; fair up to 1",
        "scheduling.fragmentation": "of free GPU-time, on nodes too full for a typical job",
        "scheduling.deadline_misses": "of those that came up",
        "reliability.mtti_s": "time that jobs ran, over the interruptions that they met",
        "reliability.ettr": "useful time of jobs, of all from first start to end",
        "reliability.goodput": "useful, of what jobs held",
        "reliability.availability": "GPU-time not down, of what was bought",
        "makespan_s": "first submit to the end of the run, where jobs still ran"
        if look_up(run.summary, "jobs.running")
        else "first submit to last end",
        "bounded_slowdown.mean": "completion over run time, run times below 10 s taken as 10 s",
    }
    return [
        Card(entry.label, numbers.headline(entry, value), more.get(entry.key, ""))
        for entry, value in headline_values(run).items()
        if value is not None and not entry.key.startswith(without)
    ]


def ledger_rows(run: Results) -> list[LedgerRow]:
    """Every share of the GPU-time ledger, zero ones too, in the ledger's order."""
    shares = ledger(run)["shares"]
    rows = []
    for share in GPU_TIME_SHARES:
        part = float(shares.get(share.name, 0.0))
        fraction = share_of_bought(run, share.name)
        rows.append(
            LedgerRow(
                share=share,
                colour=SHARE_COLOURS[share.name],
                gpu_hours=numbers.gpu_hours(part),
                percent=numbers.percent(fraction),
                zero=part == 0,
            )
        )
    return rows


def states(run: Results) -> list[tuple[str, int]]:
    """Jobs by the state that they ended in; states without jobs are left out."""
    counted = ((state, look_up(run.summary, f"jobs.{state}") or 0) for state in JOB_STATES)
    return [(state, number) for state, number in counted if number]


def longest_waits(jobs: pd.DataFrame) -> list[dict[str, str]]:
    """The jobs that waited longest, longest first."""
    waited = jobs[jobs["wait_s"] > 0]
    return _listed(waited.nlargest(_LISTED, "wait_s", keep="first"))


def largest_jobs(jobs: pd.DataFrame) -> list[dict[str, str]]:
    """The jobs that asked for most GPUs, the longer one first among equals."""
    return _listed(jobs.nlargest(_LISTED, ["gpus", "run_s"], keep="first"))


def _listed(jobs: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "job_id": shortened(job["job_id"]),
            "user": shortened(job["user"]),
            "group": shortened(job["group"]),
            "gpus": numbers.count(job["gpus"]),
            "submit": numbers.instant(job["submit_s"]),
            "run": "endless" if job["run_s"] >= _ENDLESS_S else numbers.duration(job["run_s"]),
            "wait": numbers.duration(job["wait_s"]),
            "jct": numbers.duration(job["jct_s"]),
            "state": str(job["state"]),
        }
        for job in jobs.to_dict("records")
    ]


def shortened(value: object) -> str:
    """A user-supplied string, cut to what a table bears; a dash for none."""
    text = "" if value is None or value != value else str(value)
    if len(text) > _TEXT:
        text = text[: _TEXT - 1] + "…"
    return text or numbers.NOTHING


def intake(run: Results) -> dict[str, Any]:
    """How the job table came about; every key of `twin.workload.jobs.Intake` is there."""
    found = run.summary.get("workload")
    found = found if isinstance(found, Mapping) else {}
    skipped = found.get("skipped") or ()
    return {
        "source": str(found.get("source") or ""),
        "format": str(found.get("format") or ""),
        "rows_read": found.get("rows_read"),
        "skipped_rows": found.get("skipped_rows") or 0,
        "skipped": [str(line) for line in skipped],
        "dropped": {str(name): number for name, number in (found.get("dropped") or {}).items()},
        "notes": [str(line) for line in found.get("notes") or ()],
    }


# Sections of the summary that a run has only if it modelled them, what is left out otherwise, and
# words of an assumption that says so already.
_SECTIONS: Sequence[tuple[str, str, str]] = (
    ("reliability", "failures and repairs", "never fail"),
    ("power", "power and cooling", "energy are not computed"),
    ("serving", "inference requests", "requests are not simulated"),
    ("cost", "money and carbon", ""),
)


def not_modelled(run: Results) -> list[str]:
    """What this run leaves out, and its assumptions do not say: sections without a summary."""
    said = " ".join(assumptions(run))
    return [
        words
        for section, words, saying in _SECTIONS
        if section not in run.summary and not (saying and saying in said)
    ]


def assumptions(run: Results) -> list[str]:
    """Assumptions that the run wrote down, then those of the trace's reader; each once, in full."""
    written = (str(line) for line in run.summary.get("assumptions") or ())
    return [_sentence(line) for line in dict.fromkeys([*written, *intake(run)["notes"]])]


def _sentence(line: str) -> str:
    """A note with a capital at its beginning and a full stop at its end."""
    return line[:1].upper() + line[1:] + ("" if line.endswith((".", "!", "?")) else ".")


def provenance_rows(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance as dotted keys and plain values."""
    rows: list[tuple[str, str]] = []
    for key, value in provenance.items():
        if isinstance(value, Mapping):
            rows.extend((f"{key}.{inner}", text) for inner, text in provenance_rows(value))
        elif isinstance(value, list | tuple):
            rows.append((str(key), "; ".join(_entry(each) for each in value) or numbers.NOTHING))
        else:
            rows.append((str(key), _plain(str(key), value)))
    return rows


def _plain(key: str, value: object) -> str:
    """A value with the unit that its key ends in."""
    if isinstance(value, float) and key.endswith("_s"):
        return numbers.duration(value)
    if isinstance(value, int | float) and key.endswith("_bytes"):
        return format_si(value, "B")
    return str(value)


def _entry(value: object) -> str:
    """An item of a list: a mapping as its keys and values in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return str(value)
