"""Fit laws of failure and repair to the fault records of 400 GPU servers.

    python calibration/failures/fit.py            refit, print and write stepfun.yaml and the tables
    python calibration/failures/fit.py --check    refit and compare; exit code 1 if anything moved

Run it from the root of the repository. It needs numpy, scipy, pandas and pyyaml; not twin.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import dated
import held_out
import laws
import numpy as np
import pandas as pd
import rates
import tables
import yaml
from faults import (
    CLASSES,
    DATA,
    DAYS,
    GROUPS,
    NODES,
    TRAIN_DAYS,
    dismissed,
    happenings,
    read_records,
    seen_by,
)
from recurrence import MOST_SHAPE, Form, Likelihood

PARAMETERS = Path(__file__).with_name("stepfun.yaml")
HEADER = """\
# Failures and repairs of 400 GPU servers, fitted by calibration/failures/fit.py, whose README
# explains them and tells their errors. Times are in days, rates per 1000
# node-days in service. Made by that script; do not edit by hand.
"""
LAW_KINDS = (laws.Lognormal, laws.Weibull, laws.Mixture, laws.Pipeline)
LEAST_FAULTS = 15  # for a law of repair of its own


def of_repair(found: laws.Fit) -> dict[str, Any]:
    """Parameters of a law of repair with their intervals."""
    names = [field.name for field in fields(found.law)]  # type: ignore[arg-type]
    return {
        "law": type(found.law).__name__.lower(),
        "faults": len(found.faults),
        **asdict(found.law),  # type: ignore[call-overload]
        "mean_d": found.law.mean_d,  # type: ignore[attr-defined]
        "intervals": dict(zip(names, map(list, found.intervals()), strict=True)),
        "log_likelihood": found.log_likelihood,
        "aic": found.aic,
    }


def of_rate(faults: pd.DataFrame, until_d: float) -> dict[str, Any]:
    """A rate with its interval, and the mean time in service to a fault of one node."""
    rate, low, high = rates.rate_interval(faults, until_d)
    return {"faults": len(faults), "rate": rate, "interval": [low, high], "life_d": 1000 / rate}


def of_trend(faults: pd.DataFrame, until_d: float) -> dict[str, Any]:
    found = asdict(rates.trend(faults, until_d))
    return found | {"dispersion_10_d": rates.dispersion(rates.block_counts(faults, until_d))}


def of_lemons(faults: pd.DataFrame) -> dict[str, Any]:
    found = rates.lemons(faults)
    return asdict(found) | {"p": found.p}


def of_recurrence(faults: pd.DataFrame, until_d: float) -> tuple[dict[str, Any], dict[str, float]]:
    """Lemons against repairs that mend nothing; and the faults of each class that are its own."""
    result: dict[str, Any] = {}
    forms = {
        "alike": Form(recurs=False),
        "lemons": Form(recurs=False, lemons=True),
        "unmended": Form(),
        "both": Form(lemons=True),
        "by_group": Form(groups=tuple(GROUPS)),
    }
    for period_d in (None, rates.PERIOD_D):
        likelihood = Likelihood(faults, until_d, period_d)
        found = {name: likelihood.fit(form) for name, form in forms.items()}
        best = found["unmended"]
        model, (low, high) = best.model, likelihood.intervals(best)
        shape = found["both"].model.shape
        told = {
            "unmended": model.unmended["all"],
            "unmended_interval": [low.unmended["all"], high.unmended["all"]],
            "recurs_median_d": model.median_d,
            "recurs_median_interval": [low.median_d, high.median_d],
            "recurs_sigma": model.sigma,
            "recurs_sigma_interval": [low.sigma, high.sigma],
            "own_rates": [1000 * rate for rate in model.rates_per_d],
            "unmended_by_group": found["by_group"].model.unmended,
            "same_group": likelihood.same_group(model),
            "lemons_shape_without": found["lemons"].model.shape,
            "lemons_shape_beside": shape if shape < 0.99 * MOST_SHAPE else None,
            "log_likelihood": {name: each.log_likelihood for name, each in found.items()},
            "aic": {name: each.aic for name, each in found.items()},
        }
        if period_d is None:
            told["lemons_least_shape_beside"] = likelihood.least_shape(found["both"])
            own = pd.Series(likelihood.own_shares(model)).groupby(likelihood.table.then).sum()
            result |= told
        else:
            result["with_30_day_rates"] = told
    return result, own.to_dict()


def of_days(faults: pd.DataFrame, until_d: int, change: dated.Dated) -> dict[str, Any]:
    """Everything that is fitted to the faults known on a day."""
    firsts = rates.first_of_happenings(faults)
    recurrence, own = of_recurrence(faults, until_d)
    repairs = {kind.__name__.lower(): laws.fit(kind, faults) for kind in LAW_KINDS}
    in_service_d = rates.up_node_days(faults, until_d)
    classes = {}
    for name in dict.fromkeys(CLASSES.values()):
        of_class = faults[faults.cls == name].reset_index(drop=True)
        if len(of_class) < 2:
            continue
        classes[name] = of_rate(of_class, until_d) | {
            "own_faults": own[name],
            "own_life_d": in_service_d / own[name],
        }
        if len(of_class) >= LEAST_FAULTS:
            classes[name]["repair"] = of_repair(laws.fit(laws.Weibull, of_class))
    groups = [faults[faults.group == name].reset_index(drop=True) for name in GROUPS]
    by_group = [laws.fit(laws.Weibull, of_group) for of_group in groups]
    return {
        "faults": len(faults),
        "open": int(faults.open.sum()),
        "happenings": len(np.unique(happenings(faults))),
        "node_days_in_service": in_service_d,
        "all": of_rate(faults, until_d),
        "classes": classes,
        "trend": of_trend(faults, until_d) | {"firsts": of_trend(firsts, until_d)},
        "together": rates.together(faults),
        "lemons": of_lemons(faults) | {"hardware": of_lemons(faults[faults.group == "hardware"])},
        "recurrence": recurrence,
        "repair": {
            **{name: of_repair(found) for name, found in repairs.items()},
            "by_group": {
                **dict(zip(GROUPS, map(of_repair, by_group), strict=True)),
                "aic": sum(found.aic for found in by_group),
            },
            "dated": {
                "from_d": change.from_d,
                "before": of_repair(change.before),
                "after": of_repair(change.after),
                "hardware": {
                    name: of_repair(laws.fit(laws.Weibull, part.reset_index(drop=True)))
                    for name, part in (
                        ("before", groups[0][groups[0].start_d < change.from_d]),
                        ("after", groups[0][groups[0].start_d >= change.from_d]),
                    )
                },
                "ratio": change.ratio,
                "p": change.p,
                "aic": change.aic,
            },
        },
    }


def of_test(
    train: pd.DataFrame, until: pd.DataFrame, change: dated.Dated, change_of_all: dated.Dated
) -> dict[str, Any]:
    """Errors of the fit of the first 140 days on the other 70."""
    test = until[until.start_d >= TRAIN_DAYS].reset_index(drop=True)
    again = Likelihood(train, TRAIN_DAYS).fit(Form()).model
    nodes = held_out.expect(train, rates.lemons(train).shape, again)
    repairs = {}
    for kind in LAW_KINDS:
        law = laws.fit(kind, train).law
        refit = laws.fit(kind, test).law
        repairs[kind.__name__.lower()] = held_out.repair_errors(law, refit, test) | {
            "nodes_out": held_out.out_errors(law, train, until)
        }
    refit = laws.fit(laws.Weibull, test).law
    repairs["dated"] = held_out.repair_errors(change.after.law, refit, test) | {
        "nodes_out": held_out.out_errors(change, train, until)
    }
    by_past = held_out.given_past(train, test, nodes)
    return {
        "counts": held_out.count_errors(train, test, nodes),
        "times": held_out.time_errors(train, until),
        "given_past": by_past.reset_index().to_dict("list"),
        "repair": repairs,
        "repair_by_group": {"log_score_per_fault": held_out.score_by_group(train, test)},
        "nodes_out_by_30_days": held_out.months_out(until, change_of_all),
    }


def plain(value: Any, digits: int = 4) -> Any:
    """As YAML takes it, floats with four digits; likelihoods with six, to be compared."""
    if isinstance(value, dict):
        fine = {"log_likelihood": 6, "aic": 6}
        return {str(key): plain(each, fine.get(key, digits)) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each, digits) for each in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{digits}g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def everything() -> dict[str, Any]:
    """What stepfun.yaml holds."""
    records = read_records()
    train, until = seen_by(records, TRAIN_DAYS), seen_by(records, DAYS)
    change = dated.best_change(laws.Weibull, train, TRAIN_DAYS)
    change_of_all = dated.best_change(laws.Weibull, until, DAYS)
    found: dict[str, Any] = plain(
        {
            "source": "stepfun-ai/InfiniteHBD-Trace @ 7aacdc8c3d2352c5b784bc0ea31756e1620daed1, "
            "Apache-2.0: faults from 2024-03-30 on, the first 210 days",
            "nodes": NODES,
            "records": len(records),
            "dismissed": int(dismissed(records).sum()),
            f"days_0_{DAYS}": of_days(until, DAYS, change_of_all),
            f"days_0_{TRAIN_DAYS}": of_days(train, TRAIN_DAYS, change),
            "held_out": of_test(train, until, change, change_of_all),
        }
    )
    return found


def moved(fresh: Any, kept: Any, where: str = "") -> list[str]:
    """What differs by more than the optimisers of other library versions may."""
    if isinstance(fresh, dict) and isinstance(kept, dict) and fresh.keys() == kept.keys():
        return [p for key in fresh for p in moved(fresh[key], kept[key], f"{where}.{key}")]
    if isinstance(fresh, list) and isinstance(kept, list) and len(fresh) == len(kept):
        pairs = enumerate(zip(fresh, kept, strict=True))
        return [p for i, (a, b) in pairs for p in moved(a, b, f"{where}[{i}]")]
    if isinstance(fresh, float) and isinstance(kept, int | float):
        return [] if np.isclose(fresh, kept, rtol=0.02) else [f"{where}: {fresh} for {kept}"]
    return [] if fresh == kept else [f"{where}: {fresh!r} for {kept!r}"]


def kept() -> dict[str, Any]:
    """What stands in stepfun.yaml."""
    return dict(yaml.safe_load(PARAMETERS.read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit laws of failure and repair.")
    parser.add_argument("--check", action="store_true", help="compare with what is kept")
    asked = parser.parse_args()
    if not DATA.is_file():
        sys.exit(f"{DATA}: no such file; the README says where it comes from")
    found = everything()
    if asked.check:
        problems = moved(found, kept()) + tables.moved(kept())
        print("\n".join(problems) or "all as kept")
        return 1 if problems else 0
    body = yaml.safe_dump(found, sort_keys=False, default_flow_style=None, width=100)
    PARAMETERS.write_text(HEADER + body, encoding="utf-8")
    tables.write(found)
    print(body)
    print(tables.markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
