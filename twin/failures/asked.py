"""Sections of a scenario -> the models of failure and recovery that a run is made with."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from math import ceil, inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from twin.errors import InputError, did_you_mean
from twin.failures.model import (
    AT_ONCE,
    FailureModel,
    FaultClass,
    Incident,
    Maintenance,
    Stage,
)
from twin.failures.restart import ANYTHING, RestartModel, SaveLevel, Storage
from twin.physics.reliability import temperature_factor
from twin.scenario import failures as asked
from twin.scenario.fault_class import Degraded, Slow
from twin.scenario.fault_class import FaultClass as AskedClass
from twin.scenario.levels import JOB_OR_LEVELS
from twin.scenario.section import explain
from twin.units import format_duration

if TYPE_CHECKING:
    from twin.scenario.recovery import Recovery
    from twin.site.domains import Domains


def failure_model(failures: asked.Failures | None) -> FailureModel:
    """What may go wrong, as the scenario asks: nothing if it has no such section.

    Raises
    ------
    InputError
        If the file of incidents cannot be read; the message names the row.
    """
    if failures is None:
        return FailureModel()
    recorded = read_incidents(Path(failures.records.path)) if failures.records else []
    incidents = [_incident(each) for each in (*failures.incidents, *recorded)]
    return FailureModel(
        classes=tuple(_fault_class(n, cls) for n, cls in failures.all_classes().items()),
        lemons=failures.lemons,
        mends_lemons=failures.mends_lemons,
        rate_factor=failures.rate,
        maintenance=tuple(
            Maintenance(m.name, m.of, m.first_s, m.every_s, m.lasts_s, m.at_once, m.notice_s)
            for m in failures.maintenance
        ),
        incidents=tuple(sorted(incidents, key=lambda incident: incident.at_s)),
        crews=failures.crews or inf,
    )


def restart_model(recovery: Recovery) -> RestartModel:
    """What interruptions cost, as the scenario asks: nothing by default, and nothing is saved."""
    asked_storage, saving = recovery.storage, recovery.checkpoint
    storage = None
    if asked_storage is not None:
        storage = Storage(
            asked_storage.read_bytes_per_s,
            asked_storage.write_bytes_per_s,
            asked_storage.node_read_bytes_per_s or inf,
            asked_storage.node_write_bytes_per_s or inf,
        )
    model = RestartModel(
        startup_s=recovery.startup_s,
        restart_s=recovery.restart_s,
        standby_nodes=recovery.standby,
        standby_from_nodes=recovery.standby_from,
        admit_gpus=recovery.admit_gpus or inf,
        retries=recovery.retries or inf,
        storage=storage,
    )
    if saving is None:
        return model
    levels = saving.save_levels()
    return replace(
        model,
        kinds=frozenset(saving.kinds),
        levels=tuple(
            SaveLevel(
                level.name,
                level.every,
                level.write_s or 0.0,
                level.flush_s,
                level.read_s,
                ANYTHING if level.survives == JOB_OR_LEVELS else frozenset(level.survives),
            )
            for level in levels
        ),
        state_bytes_per_gpu=saving.state_per_gpu_bytes or 0.0,
        writes_state=levels[-1].write_s is None,
    )


_MOST_FAULTS = 3e8  # a day or two of computing


def check_site(model: FailureModel, domains: Domains, horizon_s: float) -> None:
    """Refuse incidents of units that the site does not have, and what would never end.

    Raises
    ------
    InputError
        Naming the first incident, maintenance or class at fault, and what would do.
    """
    for cls in model.classes:
        if cls.of == "job":
            continue
        # What is thinned out comes before it is: an idle part costs as much as one that fails.
        cycle_s = cls.life.mean / (cls.rate_factor * model.rate_factor)
        if cls.idle_rate == 1 and cls.effect == "fail_stop":
            cycle_s += sum(stage.law(0.0).quantile(0.5).item() for stage in cls.repair[:1])
        faults = domains.units(cls.of) * cls.per * horizon_s / max(cycle_s, 1e-300)
        if faults > _MOST_FAULTS:
            raise InputError(
                f"failures.classes.{cls.name}: would fail about {faults:.2g} times, more than "
                f"{_MOST_FAULTS:.0e}; give it a longer life or the scenario a shorter horizon"
            )
    for incident in model.incidents:
        units = domains.units(incident.of)
        if incident.unit >= units:
            raise InputError(
                f"failures: incident {incident.name!r} at {format_duration(incident.at_s)} hits "
                f"{incident.of} {incident.unit}, but the site has {units}, numbered from 0"
            )
        nodes = [domains.gpu(incident.unit)[0]] if incident.of == "gpu" else None
        pools = domains.site.node_pool[nodes or domains.nodes(incident.of, incident.unit)]
        if all(domains.site.pools[pool].cloud is not None for pool in pools):
            raise InputError(
                f"failures: incident {incident.name!r} hits {incident.of} {incident.unit}, which "
                "is all of a cloud; nothing fails there, but spot nodes are taken back"
            )
    for work in model.maintenance:
        units = domains.units(work.of)
        round_s = ceil(units / work.at_once) * work.lasts_s
        if round_s > work.every_s:
            least = ceil(units / (work.every_s // work.lasts_s))
            raise InputError(
                f"failures.maintenance: a round of {work.name!r} takes "
                f"{format_duration(round_s)} for {units} units of {work.of}, longer than the "
                f"{format_duration(work.every_s)} to the next; take {least} or more at once, or "
                "make every longer"
            )


def read_incidents(path: Path) -> list[asked.Incident]:
    """The incidents of a CSV file with the columns of `twin.scenario.failures.Records`.

    Raises
    ------
    InputError
        If it cannot be read; the message names file and row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(path, csv.reader(file, strict=True)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


_TIMES = ("s", "min", "h", "days")


def _rows(path: Path, lines: Iterator[list[str]]) -> Iterator[asked.Incident]:
    header = [name.strip() for name in next(lines, [])]
    columns = _columns(path, header)
    for row, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InputError(f"{path}:{row}: {len(cells)} cells under {len(header)} columns")
        given: dict[str, Any] = {}
        for (key, unit), cell in zip(columns, map(str.strip, cells), strict=True):
            if not (key == "effect" and not cell):
                given[key] = f"{cell} {unit}" if unit else _plain(key, cell)
        try:
            yield asked.Incident.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            column = header[[key for key, _ in columns].index(str(first["loc"][0]))]
            raise InputError(f"{path}:{row} {column}: {explain(first)}") from None


def _columns(path: Path, header: list[str]) -> list[tuple[str, str]]:
    """Key and unit of time of each column."""
    known = {name: (name, "") for name in ("name", "of", "unit", "effect")}
    known |= {f"{key}_{unit}": (key, unit) for key in ("at", "lasts") for unit in _TIMES}
    for name in header:
        if name not in known:
            raise InputError(f"{path}:1: unknown column {name!r}; {did_you_mean(name, known)}")
    keys = [known[name][0] for name in header]
    for key in ("at", "name", "of", "unit", "lasts"):
        if keys.count(key) != 1:
            column = f"{key}_s, {key}_min, {key}_h or {key}_days" if f"{key}_s" in known else key
            raise InputError(f"{path}:1: needs one column {column}; found {keys.count(key)}")
    return [known[name] for name in header]


def _plain(key: str, cell: str) -> Any:
    """A cell as YAML would hold it: numbers of units, effects with their figures."""
    if key == "unit" and cell.isdecimal():
        return int(cell)
    if key == "effect":
        try:
            return yaml.safe_load(cell)
        except yaml.YAMLError:
            return cell
    return cell


def _effect(effect: Any) -> dict[str, Any]:
    """Fields of the model for an effect of a scenario."""
    if isinstance(effect, Slow):
        return {"effect": "slow", "speed": effect.speed}
    if isinstance(effect, Degraded):
        return {
            "effect": "degraded",
            "bandwidth": effect.bandwidth,
            "exposed_share": effect.exposed,
        }
    return {"effect": effect.replace("-", "_")}


def _incident(each: asked.Incident) -> Incident:
    return Incident(each.at_s, each.name, each.of, each.unit, each.lasts_s, **_effect(each.effect))


def _rate_factor(cls: AskedClass) -> float:
    heat = cls.temperature
    if heat is None:
        return 1.0
    return float(temperature_factor(heat.at_degc, heat.reference_degc, heat.doubles_every_k))


def _fault_class(name: str, cls: AskedClass) -> FaultClass:
    if cls.of == "job":
        return FaultClass(
            name=name,
            of="job",
            life=cls.life,
            repair=(),
            detection=cls.detection or AT_ONCE,
            permanent=cls.permanent,
            job_scale=cls.scale,
        )
    cause, foreseen = cls.common_cause, cls.predicted
    return FaultClass(
        name=name,
        of=cls.of,
        per=cls.per,
        life=cls.life,
        rate_factor=_rate_factor(cls),
        age_s=cls.age_s,
        idle_rate=cls.idle_rate,
        evicts=cls.evicts,
        takes=cls.taken,
        detection=cls.detection or AT_ONCE,
        repair=tuple(
            Stage(stage.times, stage.escalates, stage.unmended, stage.crew)
            for stage in cls.repair or ()
        ),
        recurs=cls.recurs,
        false_alarms=cls.false_alarms,
        inspection=cls.inspection or AT_ONCE,
        wrong_unit=cls.wrong_unit,
        beta=cause.share if cause else 0.0,
        beta_of=cause.of if cause else "",
        recall=foreseen.recall if foreseen else 0.0,
        precision=foreseen.precision if foreseen else 1.0,
        lead_s=foreseen.lead_s if foreseen else 0.0,
        **_effect(cls.effect),
    )
