"""The documentation is true: its blocks run, its links lead somewhere, its tables are current."""

import ast
import importlib
import re
import subprocess
import sys

import pytest
from blocks import PAGES, ROOT, blocks, session

from twin.registry import POLICY_KINDS, READERS

REFERENCE = ROOT / "docs" / "reference"


def page_id(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def generate():
    sys.path.insert(0, str(REFERENCE))
    yield importlib.import_module("generate")
    sys.path.remove(str(REFERENCE))


@pytest.mark.parametrize(
    "path", [page for page in PAGES if blocks(page.read_text("utf-8"))], ids=page_id
)
def test_blocks_do_what_the_page_says(path):
    """If only the figures moved, `python tests/docs/blocks.py PAGE` takes down the new ones."""
    with session() as reader:
        reader.follow(path.read_text("utf-8"))
        assert not reader.wrong, f"{page_id(path)}\n" + "\n".join(reader.wrong)


def test_a_block_that_is_not_true_is_found():
    """The reader of pages can fail: on output, on an exit code, on YAML, on a trace's format."""
    page = "\n".join(
        [
            "```console\n$ echo one\ntwo\n$ false\n$ echo so far\nso ...\n```",
            "```python\nprint(1)\n```\n\n```text\n2\n```",
            "```yaml\npolicies: {scheduler: fifoo}\n```",
            "```csv file=a.csv format=swf\nsubmit_s,run_s,gpus\n0,1,1\n```",
        ]
    )
    with session() as reader:
        reader.follow(page)
    assert len(reader.wrong) == 5, reader.wrong


def test_the_policies_of_the_tutorial_conform(tmp_path):
    """They meet the list that the page tells its readers to try theirs on."""
    page = (ROOT / "docs/write-a-scheduler.md").read_text("utf-8")
    plugins, names = [], []
    for block in blocks(page):
        path = tmp_path / block.options.get("file", "")
        if path.suffix == ".py" and path.stem != "wrong":
            path.write_text(block.text, encoding="utf-8")
            plugins.append(f"--plugin={path}")
            names += re.findall(r'@policy\("(.+)"\)', block.text)
    assert len(names) == 5
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    command += ["tests/conformance/test_policies.py", *plugins, "-k", " or ".join(names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 3 * len(names)


def test_the_worked_example_is_that_of_the_independent_reference(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "reference"))
    from gang_scheduler import easy_literal, fifo

    page = (ROOT / "docs/explanation/scheduling.md").read_text("utf-8")
    names = {}
    exec(next(block.text for block in blocks(page) if block.language == "python"), names)
    jobs = list(zip(*(names["jobs"][c] for c in ("submit_s", "gpus", "run_s")), strict=True))
    printed = next(block.text for block in blocks(page) if block.language == "text").splitlines()
    for line, schedule in zip(printed, (fifo, easy_literal), strict=True):
        assert re.findall(r"[A-G] +(\d+)", line) == [f"{s:.0f}" for s in schedule(jobs, 3)]


def test_the_ledger_by_hand_is_that_of_the_program():
    page = (ROOT / "docs/explanation/ledger.md").read_text("utf-8")
    table = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    rows = [list(map(int, row)) for row in table]
    useful, stranded, idle = (
        float(sum((row[1] - row[0]) * row[column] for row in rows)) for column in (2, 3, 4)
    )
    printed = next(block.text for block in blocks(page) if block.language == "text")
    assert printed.startswith(str({"idle": idle, "stranded": stranded, "useful": useful}))


def test_every_format_has_its_row():
    page = (ROOT / "docs/howto/replay-your-own-trace.md").read_text("utf-8")
    shown = {block.options.get("format", "") for block in blocks(page)} | {"generic"}
    assert {name for name in READERS.names() if not name.startswith("my-")} <= shown
    headings = re.findall(r"^### (\S+)$", page, re.MULTILINE)
    assert shown - {""} <= set(headings)


@pytest.mark.parametrize("path", sorted(REFERENCE.rglob("*.md")), ids=page_id)
def test_generated_parts_are_current(path, generate):
    page = path.read_text("utf-8")
    assert generate.filled(page) == page, "run `python docs/reference/generate.py`"


def test_every_section_of_a_scenario_has_its_table(generate):
    page = (REFERENCE / "scenario.md").read_text("utf-8")
    of_sections = {f"keys:{name}" for name in generate.scenario_tables.section_names()}
    of_forms = {f"forms:{name}" for name in generate.scenario_tables.TAGGED}
    assert of_sections | of_forms <= set(generate.regions(page))


def test_groups_are_told_as_names_and_sizes_as_counts(generate):
    label = generate.filled("<!-- generated: forms:transforms -->\n\n<!-- end -->\n")
    for key in ("model", "qos", "group", "gpu_types"):
        assert f"`{key}`: a mapping from names to" in label
    sizes = generate.filled("<!-- generated: keys:Synthetic -->\n\n<!-- end -->\n")
    assert "| `sizes` | a mapping from counts to" in sizes


def test_every_kind_of_policy_has_its_page(generate):
    overview = (REFERENCE / "policies.md").read_text("utf-8")
    assert {f"overview:{kind}" for kind in POLICY_KINDS} == set(generate.regions(overview))
    for kind in POLICY_KINDS:
        page = (REFERENCE / "policies" / f"{kind}.md").read_text("utf-8")
        assert generate.regions(page) == [f"policies:{kind}"]
        names = [name for name in POLICY_KINDS[kind].names() if f"\n## {name}\n" in page]
        assert len(names) >= 2


def test_every_figure_of_the_summary_is_explained(tmp_path):
    from twin import load, run

    (tmp_path / "jobs.csv").write_text("submit_s,run_s,gpus\n0,9,8\n1,9,300\n")
    trace = f"workload={{trace: {{path: {tmp_path}/jobs.csv}}}}"
    scenario = load(ROOT / "scenarios/first.yaml", [trace, "horizon=drained"])
    summary = run(scenario, tmp_path, report=False).summary
    page = (REFERENCE / "results.md").read_text("utf-8")
    explained = set(re.findall(r"`([\w.]+)`", page))

    def missing(key, value):
        if key in explained:
            return []
        if isinstance(value, dict) and value:
            return [name for below in value for name in missing(f"{key}.{below}", value[below])]
        return [key]

    assert [name for key, value in summary.items() for name in missing(key, value)] == []
    of_quantiles = {name for key in ("wait_s", "jct_s") for name in summary[key]}
    assert of_quantiles | set(summary["ledgers"]["gpu_time"]["shares"]) <= explained


def test_every_figure_of_failures_is_explained(tmp_path):
    from twin import load, run

    path = ROOT / "scenarios/blast-radius/ten-small-users.yaml"
    seen = run(load(path), tmp_path, report=False).summary["reliability"]
    entries = [seen["by_size"][0], seen["by_component"][0], seen["by_kind"]["training"]]
    entries += [seen["worst_incident"], seen["availability_by_user"], seen["recovery_s"]]
    wanted = {f"reliability.{key}" for key in seen} | {key for entry in entries for key in entry}
    explained = set(re.findall(r"`([\w.]+)`", (REFERENCE / "results.md").read_text("utf-8")))
    assert wanted - explained == set()


def test_every_figure_of_power_is_explained(tmp_path):
    from twin import load, run

    asked = ["horizon=1 day", "power={levels: {site: {rating: 200 kW}}, carbon: {country: US}}"]
    summary = run(load(ROOT / "scenarios/first.yaml", asked), tmp_path, report=False).summary
    seen = summary["power"]
    wanted = {f"{section}.{key}" for section in ("power", "cost") for key in summary[section]}
    wanted |= seen["dark_gpu_s"].keys() | seen["levels"]["site"].keys()
    wanted |= summary["ledgers"]["energy"]["shares"].keys()
    explained = set(re.findall(r"`([\w.]+)`", (REFERENCE / "results.md").read_text("utf-8")))
    assert wanted - explained == set()


def test_every_figure_of_clouds_is_explained(tmp_path):
    from twin import load, run

    path = ROOT / "scenarios/schedulers/on-premise-with-burst.yaml"
    summary = run(load(path, ["horizon=1 day"]), tmp_path, report=False).summary
    wanted = {f"{section}.{key}" for section in ("cloud", "cost") for key in summary[section]}
    explained = set(re.findall(r"`([\w.]+)`", (REFERENCE / "results.md").read_text("utf-8")))
    assert wanted - explained == set()


def test_every_figure_of_reservations_is_explained(tmp_path):
    from twin import load, run

    path = ROOT / "scenarios/schedulers/reservation.yaml"
    seen = run(load(path), tmp_path, report=False).summary["reservations"]["demo"]
    page = (REFERENCE / "results.md").read_text("utf-8")
    section = page.split("\n## Reservations\n")[1].split("\n## ")[0]
    explained = set(re.findall(r"`(?:reservations\.NAME)?\.(\w+)`", section))
    assert explained == set(seen)


def headings(text):
    """Anchors of a page as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    plain = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in plain}


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert there.is_relative_to(ROOT), f"{target} leads out of the repository"
        if anchor:
            assert anchor in headings(there.read_text("utf-8")), target


# A key holds a year; within a docstring's Sources any word in brackets is one.
KEY = re.compile(r"\[([a-z][a-z0-9.-]*\d{4}[a-z0-9.-]*)\]")
ANY_KEY = re.compile(r"\[([a-z][a-z0-9.-]+)\]")


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def cited():
    """(key, where) for each citation in the program, the calibration and the pages."""
    for path in [*ROOT.glob("twin/**/*.py"), *ROOT.glob("calibration/**/*.py")]:
        for text in docstrings(path):
            _, _, sources = text.partition("Sources\n-------")
            for key in KEY.findall(text) + ANY_KEY.findall(sources):
                yield key, page_id(path)
    for path in [*PAGES, *ROOT.glob("twin/**/*.yaml"), *ROOT.glob("calibration/**/*.md")]:
        for key in KEY.findall(path.read_text("utf-8")):
            yield key, page_id(path)


def test_sources_are_listed():
    listed = re.findall(r"^- \*\*\[(.+?)\]\*\*", (REFERENCE / "sources.md").read_text(), re.M)
    assert len(listed) == len(set(listed))
    wanted = set(cited())
    assert len({key for key, _ in wanted}) > 5
    assert {(key, where) for key, where in wanted if key not in listed} == set()


def test_pages_name_nothing_of_a_single_machine():
    for path in PAGES:
        assert not re.search(r"(?<![\w.])/(tmp|root|home|work)/", path.read_text("utf-8")), path
