"""Fill the generated parts of the reference from the program itself.

``python docs/reference/generate.py`` rewrites what stands between ``<!-- generated: name -->`` and
``<!-- end -->`` in the pages below this folder. A test holds the pages to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # so that a clone needs no installation

import command_tables  # noqa: E402
import policy_pages  # noqa: E402
import scenario_tables  # noqa: E402
from markdown import table  # noqa: E402

from twin import tables, units  # noqa: E402

_REGION = re.compile(r"(<!-- generated: ([\w:-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Rewrite every page below this folder that has generated parts."""
    for path in sorted(HERE.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        path.write_text(filled(text), encoding="utf-8")


def filled(page: str) -> str:
    """A page with its generated parts as they should be now."""
    return _REGION.sub(lambda m: f"{m[1]}\n{_region(m[2]).strip()}\n\n{m[3]}", page)


def regions(page: str) -> list[str]:
    """Names of the generated parts of a page."""
    return [match[2] for match in _REGION.finditer(page)]


def _region(name: str) -> str:
    kind, _, of = name.partition(":")
    return "\n".join(_MAKERS[kind](of))


def _units(_: str) -> Iterator[str]:
    rows = [(d.name, f"`{d.example}`", f"`{d.si}`") for d in units.DIMENSIONS]
    return table(("quantity", "example", "kept in"), rows)


def _trace_columns(_: str) -> Iterator[str]:
    spellings: dict[str, list[str]] = {}
    for name, (ours, _factor) in tables.TRACE_COLUMNS.items():
        spellings.setdefault(ours, []).append(name)
    meanings = {column.name: column.meaning for column in tables.WORKLOAD.columns}
    meanings |= {"submit_s": "submit time: a number, or an ISO date and time"}
    meanings |= {"start_s": "start, in the form of the submit time; with an end, in place of run_s"}
    meanings |= {"end_s": "end, likewise"}
    rows = [
        (f"`{ours}`", ", ".join(f"`{name}`" for name in names if name != ours), meanings[ours])
        for ours, names in spellings.items()
    ]
    return table(("column", "the same in other units", "meaning"), rows)


def _run_tables(_: str) -> Iterator[str]:
    for each in (
        *(*tables.RUN_TABLES, *tables.POWER_TABLES),
        *(*tables.CLOUD_TABLES, *tables.GUEST_TABLES),
    ):
        yield f"### {each.name}.parquet\n"
        yield f"{each.meaning[0].upper()}{each.meaning[1:]}.\n"
        rows = [(f"`{c.name}`", c.dtype, c.unit, c.meaning) for c in each.columns]
        yield from table(("column", "type", "unit", "meaning"), rows)
        yield ""


def _shares(of: str) -> Iterator[str]:
    ledger = {"gpu_time": tables.GPU_TIME_SHARES, "energy": tables.ENERGY_SHARES}[of]
    rows = [(f"`{share.name}`", share.meaning) for share in ledger]
    return table(("share", "meaning"), rows)


_MAKERS: dict[str, Callable[[str], Iterator[str]]] = {
    "keys": scenario_tables.keys,
    "forms": scenario_tables.forms,
    "distributions": scenario_tables.distributions,
    "units": _units,
    "trace-columns": _trace_columns,
    "tables": _run_tables,
    "shares": _shares,
    "commands": command_tables.commands,
    "policies": policy_pages.policies,
    "overview": policy_pages.overview,
}

if __name__ == "__main__":
    main()
