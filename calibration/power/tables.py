"""The tables of the README and of docs/explanation/validation-power.md, from what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

README = Path(__file__).with_name("README.md")
PAGE = Path(__file__).parents[2] / "docs/explanation/validation-power.md"
BEGIN, END = "<!-- tables: written by calibration/power/fit.py -->\n", "<!-- end of tables -->\n"
TITLES = {"v100": "V100, 250 W", "rtx6000": "RTX 6000, 260 W"}


def markdown(found: dict[str, Any]) -> str:
    """All tables, with a heading each."""
    zeus, served, sane = found["zeus"], found["serving"], found["sanity"]
    gpus = zeus["gpus"]
    blocks = [
        "### Parameters\n\n" + _laws(gpus),
        "### Errors\n\n" + _errors(zeus),
        "### By limit, networks held out: medians over jobs\n\n" + _caps(gpus),
        "### Errors by network that was held out\n\n" + _networks(gpus),
        "### H100 serving chat, models held out\n\n" + _served(served),
        "### A100 fleets beside the default curve\n\n" + _fleets(sane["a100"]),
    ]
    return "\n\n".join(blocks) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _laws(gpus: dict[str, Any]) -> str:
    titles = {
        "idle": "drawn at work that does nothing, of TDP",
        "knee": "knee, of the highest clock",
        "exponent": "exponent above the knee (3 at most)",
        "demand": "busy phase at full clock, of TDP",
        "light": "while waiting for input, of TDP",
    }
    rows = []
    for name, title in titles.items():
        cells = []
        for one in gpus.values():
            low, high = one["law_without_a_network"][name]
            cells.append(f"{one['law'][name]:.2f} ({low:.2f} to {high:.2f})")
        rows.append([title, *cells])
    return _table(["parameter (range without one network)", *map(TITLES.get, gpus)], rows)  # type: ignore[list-item]


def _errors(zeus: dict[str, Any]) -> str:
    rows = []

    def add(what: str, gpu: str, errors: dict[str, Any]) -> None:
        cells = [_percent(errors[of][how]) for of in ("rate", "power") for how in ("median", "p90")]
        rows.append([what, TITLES[gpu], str(errors["rows"]), *cells])

    titles = {
        "in_sample": "in sample",
        "held_out_configuration": "one configuration held out",
        "held_out_network": "**one network held out**",
        "held_out_all_rows": "the same, with jobs that no limit touches",
        "default_curve": "the catalog's default curve",
        "no_model": "no model: draws the limit, runs as before",
    }
    for name, title in titles.items():
        for gpu, one in zeus["gpus"].items():
            add(title, gpu, one[name])
    for pair, one in zeus["transfer"].items():
        source, target = pair.split("_to_")
        add(f"curve of the {TITLES[source].split(',')[0]}", target, one["as_it_is"])
        add("the same, with the idle draw known", target, one["with_its_idle"])
    add("second campaign, 6 jobs", "v100", zeus["second_campaign_v100"])
    head = ["prediction", "on", "rows", "speed: median", "p90", "power: median", "p90"]
    return _table(head, rows)


def _caps(gpus: dict[str, Any]) -> str:
    rows = []
    for gpu, one in gpus.items():
        for row in one["by_cap"]:
            share, errors = row["cap_w"] / one["tdp_w"], row["errors"]
            cells = [
                *(f"{value:.3f}" for value in row["rate"]),
                *(f"{100 * errors['rate'][how]:.1f} %" for how in ("median", "p90")),
                *(f"{value:.0f} W" for value in row["power_w"]),
                *(f"{100 * errors['power'][how]:.1f} %" for how in ("median", "p90")),
            ]
            rows.append([TITLES[gpu], f"{row['cap_w']:.0f} W ({share:.0%})", *cells])
    speed, power = (
        [f"{what}: measured", "predicted", "error", "p90"] for what in ("speed", "power")
    )
    return _table(["GPU", "limit (of TDP)", *speed, *power], rows)


def _networks(gpus: dict[str, Any]) -> str:
    rows = [
        [
            network,
            TITLES[gpu],
            str(row["rows"]),
            *(_percent(row[of][how]) for of in ("rate", "power") for how in ("median", "p90")),
        ]
        for gpu, one in gpus.items()
        for network, row in one["by_network"].items()
    ]
    return _table(["network", "GPU", "rows", "speed: median", "p90", "power: median", "p90"], rows)


def _served(served: dict[str, Any]) -> str:
    rows = [
        [
            form,
            *(
                _percent(row[of][how])
                for of in ("all", "dense", "one_row_known")
                for how in ("median", "p90")
            ),
        ]
        for form, row in served["held_out"].items()
    ]
    head = ["form", "all: median", "p90", "dense: median", "p90", "one row known: median", "p90"]
    return _table(head, rows)


def _fleets(a100: dict[str, Any]) -> str:
    quantiles = list(a100["seren"])
    rows = [
        [f"fleet, {name}", *(f"{a100[name][q]:.0f} W" for q in quantiles)]
        for name in ("seren", "kalos")
    ]
    catalog = ", ".join(f"{name} {row['mean_w']:.0f} W" for name, row in a100["catalog"].items())
    head = ["of all samples", *(q.removesuffix("_w") for q in quantiles)]
    return _table(head, rows) + f"\n\nThe catalog's profiles on that GPU, in the mean: {catalog}."


def write(found: dict[str, Any]) -> None:
    """Put new tables in their places."""
    for path in (README, PAGE):
        text = path.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        path.write_text(before + BEGIN + markdown(found) + END + after, encoding="utf-8")


def moved(kept: dict[str, Any]) -> list[str]:
    """Lines of the pages that do not say what the files say."""
    wrong = []
    for path in (README, PAGE):
        stands = path.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
        if stands != markdown(kept):
            wrong.append(f"{path.name}: the tables are not those of the kept parameters")
    return wrong
