"""The tables of the README, made from what stands in stepfun.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- tables: written by fit.py -->\n", "<!-- end of tables -->\n"


def markdown(found: dict[str, Any]) -> str:
    """Errors on the days held out first, then what the choices of the model rest on."""
    tested = found["held_out"]
    parts = [
        "### Errors: fit of days 0 to 140 on days 140 to 210",
        _errors(tested),
        "### Faults a node in days 140 to 210, by its faults before",
        _given_past(tested["given_past"]),
        "### Mean number of nodes out of service, fit of all days on themselves",
        _out(tested["nodes_out_by_30_days"]),
        "### Lemons or unmended: AIC, times in service",
        _recurrence(found),
        "### Laws of repair: AIC",
        _repair(found),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def _errors(tested: dict[str, Any]) -> str:
    counts, repair = tested["counts"], tested["repair"]
    names = {
        "alike": "Poisson, all nodes alike",
        "lemons": "gamma lemons that last",
        "new_lemons": "gamma lemons drawn anew",
        "unmended": "unmended repairs",
    }
    rows = []

    def add(what: str, law: str, expected: float, seen: float, form: str, note: str = "") -> None:
        error = f"{expected / seen - 1:+.0%}" if seen else f"{expected:+{form}}"
        rows.append([what, law, f"{expected:{form}}{note}", f"{seen:{form}}", error])

    seen = counts["observed"]
    for name, title in names.items():
        low, high = counts[name]["interval"]
        add("faults", title, counts[name]["faults"], seen, ".0f", f" ({low:.0f} to {high:.0f})")
    low, high = counts["wander_interval"]
    note = f" ({low:.0f} to {high:.0f})"
    add("faults", "rate that wanders as in training", counts["alike"]["faults"], seen, ".0f", note)
    for name, title in names.items():
        expected = counts[name]["worst_share"]
        add("share of the worst 20 nodes", title, expected, counts["worst_share_observed"], ".2f")
    for name, title in names.items():
        expected, was = counts[name]["past_worst_share"], counts["past_worst_share_observed"]
        add("share of the 20 nodes worst before", title, expected, was, ".2f")
    for name, title in names.items():
        expected, was = counts[name]["rank_correlation"], counts["rank_correlation_observed"]
        cells = [f"{x:z.2f}" for x in (expected, was)] + [f"{expected - was:+z.2f}"]
        rows.append(["rank correlation with faults before", title, *cells])
    soon = tested["times"]["within_a_day"]
    for name in ("alike", "unmended"):
        add("share within a day of a return", names[name], soon[name], soon["observed"], ".3f")
    for name, title in names.items():
        score = counts[name]["log_score_per_node"] - counts["alike"]["log_score_per_node"]
        rows.append(["log-likelihood of counts, gained a node", title, "", "", f"{score:+.3f}"])
    gain = tested["times"]["gain"]
    for name in ("lemons", "unmended", "both"):
        title = names.get(name, "lemons that last and unmended repairs")
        rows.append(["log-likelihood of times, gained in all", title, "", "", f"{gain[name]:+.0f}"])
    laws = {
        "lognormal": "lognormal",
        "weibull": "Weibull",
        "mixture": "two lognormals",
        "pipeline": "pipeline of two lognormals",
        "dated": "Weibull of its last period",
    }
    for name, title in laws.items():
        one = repair[name]
        score, refit = one["log_score_per_fault"], one["log_score_of_refit"]
        cells = [f"{score:.3f}", f"{refit:.3f} refitted", f"{score - refit:+.3f}"]
        rows.append(["log-likelihood a repair", title, *cells])
    score = tested["repair_by_group"]["log_score_per_fault"]
    rows.append(["log-likelihood a repair", "Weibull by group of fault", f"{score:.3f}", "", ""])
    for name, title in laws.items():
        cells = ["", f"{repair[name]['ks_of_refit']:.2f} refitted", f"{repair[name]['ks']:.2f}"]
        rows.append(["KS distance of repairs", title, *cells])
    for name, title in laws.items():
        ratios = [f"{repair[name][f'q{q}_ratio'] - 1:+.0%}" for q in (25, 50, 75, 90)]
        rows.append(["repair quantiles 25, 50, 75, 90 %", title, "", "", ", ".join(ratios)])
    for name, title in laws.items():
        out = repair[name]["nodes_out"]
        add("mean nodes out of service", title, out["forecast"], out["observed"], ".1f")
    return _table(["quantity", "law", "predicted (95 %)", "observed", "error"], rows)


def _given_past(by: dict[str, list[float]]) -> str:
    head = ["faults before", "nodes", "gamma lemons that last", "unmended repairs", "observed"]
    rows = [
        [
            f"{by['past'][i]}" + (" and more" if by["past"][i] == 4 else ""),
            f"{by['nodes'][i]}",
            *(f"{by[name][i]:.2f}" for name in ("lemons", "unmended", "seen")),
        ]
        for i in range(len(by["past"]))
    ]
    return _table(head, rows)


def _out(by: dict[str, list[float]]) -> str:
    head = ["days", *(f"{30 * i} to {30 * i + 30}" for i in range(len(by["seen"])))]
    titles = {"seen": "observed", "weibull": "one Weibull law", "dated": "dated Weibull law"}
    return _table(head, [[t, *(f"{x:.1f}" for x in by[name])] for name, t in titles.items()])


def _recurrence(found: dict[str, Any]) -> str:
    titles = {
        "alike": "all nodes alike",
        "lemons": "gamma lemons",
        "unmended": "unmended repairs",
        "both": "both",
        "by_group": "unmended by group of fault",
    }
    days = [found[key]["recurrence"] for key in ("days_0_210", "days_0_140")]
    columns = [each["aic"] for one in days for each in (one, one["with_30_day_rates"])]
    head = ["model", "0 to 210", "the same, rate by 30 days", "0 to 140", "the same, by 30 days"]
    return _table(
        head, [[t, *(f"{aic[name]:.0f}" for aic in columns)] for name, t in titles.items()]
    )


def _repair(found: dict[str, Any]) -> str:
    days = [found[key]["repair"] for key in ("days_0_210", "days_0_140")]
    titles = {
        "lognormal": ("lognormal", 2),
        "weibull": ("Weibull", 2),
        "mixture": ("two lognormals", 5),
        "pipeline": ("pipeline of two lognormals", 5),
    }
    rows = [
        [t, str(n), *(f"{one[name]['aic']:.0f}" for one in days), f"{days[0][name]['mean_d']:.1f}"]
        for name, (t, n) in titles.items()
    ]
    dated = [f"{one['dated']['aic']:.0f}" for one in days]
    groups = [f"{one['by_group']['aic']:.0f}" for one in days]
    rows.append(["Weibull, dated", "5", *dated, ""])
    rows.append(["Weibull by group of fault", "6", *groups, ""])
    return _table(["law", "parameters", "0 to 210", "0 to 140", "mean repair (0 to 210), d"], rows)


def write(found: dict[str, Any]) -> None:
    """Put new tables in their place."""
    text = README.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(before + BEGIN + markdown(found) + END + after, encoding="utf-8")


def moved(kept: dict[str, Any]) -> list[str]:
    """Lines of the README that do not say what stepfun.yaml says."""
    stands = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].splitlines()
    right = markdown(kept).splitlines()
    if len(stands) != len(right):
        return [f"README: {len(stands)} lines of tables, not {len(right)}"]
    pairs = zip(stands, right, strict=True)
    return [f"README: {a}\n   for: {b}" for a, b in pairs if a != b]
