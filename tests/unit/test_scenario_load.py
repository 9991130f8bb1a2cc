"""Loading: files over one another, overrides, places of faults, and back to YAML."""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from twin.errors import ScenarioError
from twin.scenario.forms import kind_of
from twin.scenario.load import INPUT_FILES, dump, load, schema_json
from twin.scenario.quantities import InputFile
from twin.scenario.schema import Scenario
from twin.scenario.section import Section
from twin.scenario.site import NodeRef

BASE = """\
name: base
site:
  pools:
    - {name: train, node: dgx-h100, nodes: 16}
    - {name: infer, node: {gpus: 4}, nodes: 2}
workload:
  synthetic: {jobs: 1000}
policies:
  scheduler: fifo
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    return tmp_path


def scenario(text: str, *overrides: str) -> Scenario:
    Path("x.yaml").write_text(text)
    return load("x.yaml", overrides)


def refusal(path: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return str(caught.value)


def faults(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        scenario(text, *overrides)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_scenario(here):
    made = scenario(BASE + "horizon: 30 days\nstart: 2017-10-01\nseed: 7\n")
    assert (made.name, made.seed, made.horizon_s) == ("base", 7, 30 * 86400.0)
    assert made.start == datetime(2017, 10, 1)
    assert made.site.pools[0].node == NodeRef(use="dgx-h100")


def test_extends_merges_mappings_and_replaces_lists(here):
    made = scenario(
        "extends: base.yaml\nname: own\nsite:\n  name: my\nworkload: {synthetic: {load: 0.9}}"
    )
    assert (made.name, made.site.name, len(made.site.pools)) == ("own", "my", 2)
    assert (made.workload.synthetic.jobs, made.workload.synthetic.load) == (1000, 0.9)
    made = scenario("extends: base.yaml\nsite: {pools: [{name: a, node: {gpus: 1}, nodes: 1}]}")
    assert [pool.name for pool in made.site.pools] == ["a"]


def test_later_files_win_and_the_own_file_last(here):
    Path("one.yaml").write_text("seed: 1\nname: one\ndescription: one")
    Path("two.yaml").write_text("seed: 2\nname: two")
    made = scenario("include: [one.yaml, two.yaml]\nextends: base.yaml\nname: own")
    assert (made.seed, made.name, made.description) == (2, "own", "one")


def test_included_files_may_be_found_here_as_well_as_beside(here):
    Path("sub").mkdir()
    Path("sub/x.yaml").write_text("extends: base.yaml\nname: below")
    assert load("sub/x.yaml").name == "below"


def test_naming_an_alternative_takes_the_place_of_the_other(here):
    Path("t.csv").write_text("")
    made = scenario(
        "extends: base.yaml\nworkload: {trace: {path: t.csv}}\n"
        "policies: {scheduler: {easy-backfill: {}}}"
    )
    assert made.workload.synthetic is None
    assert made.workload.trace.path == str(here / "t.csv")
    assert made.policies.scheduler.name == "easy-backfill"
    made = scenario("extends: base.yaml\nworkload: {synthetic: {duration: 1 day}}")
    assert (made.workload.synthetic.jobs, made.workload.synthetic.duration_s) == (None, 86400.0)


def test_a_fault_of_both_alternatives_in_one_file_stays_one(here):
    said = faults("extends: base.yaml\nworkload:\n  synthetic: {jobs: 1, duration: 1 h}")
    assert said == [
        "x.yaml:3:3 workload.synthetic: needs exactly one of jobs and duration;"
        " found jobs and duration"
    ]


def test_a_law_replaces_another_and_adds_to_itself(here):
    Path("law.yaml").write_text(
        "extends: base.yaml\n"
        "workload: {synthetic: {durations: {weibull: {shape: 2, mean: 1 h}},"
        " arrivals: {bursty: {cv: 5}}}}"
    )
    made = scenario("extends: law.yaml\nworkload: {synthetic: {durations: {weibull: {shape: 3}}}}")
    assert (made.workload.synthetic.durations.shape, made.workload.synthetic.durations.mean) == (
        3,
        3600,
    )
    made = scenario("extends: law.yaml\nworkload: {synthetic: {durations: {constant: 1 h}}}")
    assert made.workload.synthetic.durations.mean == 3600
    made = scenario(
        "extends: law.yaml\nworkload: {synthetic: {arrivals: {bursty: {rate: 1 per h}}}}"
    )
    assert (made.workload.synthetic.arrivals.cv, made.workload.synthetic.arrivals.rate_per_s) == (
        5,
        1 / 3600,
    )


def test_circles_are_refused_with_the_chain(here):
    Path("a.yaml").write_text("extends: b.yaml")
    Path("b.yaml").write_text("name: b\ninclude:\n  - a.yaml")
    said = refusal("a.yaml")
    assert said == (
        "b.yaml:3:5 include: files that name one another in a circle: a.yaml -> b.yaml -> a.yaml"
    )
    Path("c.yaml").write_text("extends: ./c.yaml")
    assert "c.yaml -> c.yaml" in refusal("c.yaml")


def test_a_diamond_is_no_circle_and_costs_nothing(here):
    Path("d0.yaml").write_text(BASE)
    for i in range(1, 19):
        Path(f"d{i}.yaml").write_text(f"include: [d{i - 1}.yaml, d{i - 1}.yaml]")
    assert load("d18.yaml").name == "base"  # 2**18 merges if each were read anew


def test_an_endless_chain_is_refused(here):
    Path("e0.yaml").write_text(BASE)
    for i in range(1, 30):
        Path(f"e{i}.yaml").write_text(f"extends: e{i - 1}.yaml")
    said = refusal("e29.yaml")
    assert "more than 20 files that extend one another" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: bse.yaml", "x.yaml:1:1 extends: no such file; looked for '"),
        (
            "extends: [base.yaml]",
            "x.yaml:1:1 extends: expected one file name; include takes a list",
        ),
        ("name: x\ninclude: base.yaml", "x.yaml:2:1 include: expected a list of file names, found"),
        ("include: [3]", "x.yaml:1:1 include: expected a list of file names, found a list"),
        (
            "extends:",
            "x.yaml:1:1 extends: expected one file name; include takes a list, found noth",
        ),
        ("- a\n- b", "x.yaml:1:1: expected a mapping with the keys name, description,"),
        ("just text", "x.yaml:1:1: expected a mapping with the keys name, description,"),
    ],
)
def test_what_cannot_be_extended(here, text, said):
    assert faults(text)[0].startswith(said)


def test_a_fault_names_the_file_that_it_stands_in(here):
    Path("base.yaml").write_text(BASE.replace("jobs: 1000", "jobs: many"))
    said = faults("extends: base.yaml\nsed: 3\nseed: x\noutput: {timeline_bin: 3}")
    assert said == [
        "x.yaml:2:1 sed: unknown key 'sed'; did you mean 'seed'? Known: description, failures,"
        " horizon, name, output, policies, power, recovery, seed, sharing, site, start and 1 more",
        "x.yaml:3:1 seed: expected a whole number, found 'x'",
        "x.yaml:4:10 output.timeline_bin: 3 has no unit; write it with its unit, for example"
        " '30 min'",
        "base.yaml:7:15 workload.synthetic.jobs: expected a whole number, found 'many'",
    ]


def test_a_missing_key_is_told_at_its_mapping(here):
    said = faults("name: x\nsite:\n  pools:\n    - name: a\n      nodes: 3\nworkload: {trace: {}}")
    assert said == [
        "x.yaml:4:7 site.pools[0].node: missing; give the node type: a name of the catalog, or"
        " {gpus: 8}",
        "x.yaml:6:12 workload.trace.path: missing; give the trace's file",
    ]


def test_a_fault_below_a_shorthand_is_told_at_the_text(here):
    said = faults(BASE.replace("dgx-h100", "dgx-h10").replace("scheduler: fifo", "scheduler: fif"))
    assert said[0].startswith(
        "x.yaml:4:21 site.pools[0].node: unknown node 'dgx-h10'; did you mean"
    )
    assert said[1].startswith(
        "x.yaml:9:3 policies.scheduler: unknown scheduler 'fif'; did you mean"
    )


def test_overrides(here):
    Path("t.csv").write_text("")
    made = scenario(
        BASE,
        "site.pools[train].nodes=64",
        "site.pools.1.nodes = 3",
        "site.pools[0].node.gpus=4",
        "policies.scheduler=easy-backfill",
        "workload.trace.path=t.csv",
        "workload.transforms=[{time_scale: 0.5}]",
        "workload.transforms[0].time_scale=0.25",
        "seed=3",
        "seed=4",
        "horizon=1 week",
    )
    train, infer = made.site.pools
    assert (train.nodes, infer.nodes, made.seed) == (64, 3, 4)
    assert train.node == NodeRef(use="dgx-h100", gpus=4)
    assert made.policies.scheduler.name == "easy-backfill"
    assert made.workload.synthetic is None
    assert made.workload.transforms[0].factor == 0.25
    assert made.horizon_s == 7 * 86400.0


def test_an_override_of_a_policys_option_names_the_policy(here):
    said = faults(BASE, "policies.scheduler.easy-backfill.dpth=3")
    assert said[0].startswith(
        "--set policies.scheduler.easy-backfill.dpth: easy-backfill has no option 'dpth'"
    )
    assert scenario(BASE, "policies.scheduler.fifo={}").policies.scheduler.name == "fifo"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sedd=3", "--set sedd: unknown key 'sedd'; did you mean 'seed'?"),
        (
            "site.pools[0].nods=3",
            "--set site.pools[0].nods: unknown key 'nods'; did you mean 'nodes'?",
        ),
        (
            "site.pools[trane].nodes=3",
            "--set site.pools[trane]: no item trane in a list of 2; did you mean 'train'?",
        ),
        (
            "site.pools[2].nodes=3",
            "--set site.pools[2]: no item 2 in a list of 2; Known: infer, train",
        ),
        ("workload.trace[0]=3", "--set workload.trace.0: there is no list to take item 0 of"),
        ("seed", "--set: 'seed' has no =; write path.to.key=value"),
        ("=3", "--set: needs a path such as site.pools[0].nodes before the ="),
        ("a..b=3", "--set: 'a..b' is not a path such as site.pools[0].nodes"),
        ("site.pools[0=3", "--set: 'site.pools[0' is not a path such as site.pools[0].nodes"),
        ("seed=[1", "--set seed: the [ here is never closed"),
        ("seed=!x 1", "--set seed: tag '!x' is not allowed"),
        ("seed.x=1", "--set seed: expected a whole number, found a mapping"),
        ("site.pools[0].nodes=-1", "--set site.pools[0].nodes: must be 1 or above, found -1"),
        ("extends=y.yaml", "--set extends: unknown key 'extends'"),
        ("workload.trace.path=none.csv", "--set workload.trace.path: no such file; looked for '"),
    ],
)
def test_an_override_at_fault_says_so(here, override, said):
    assert faults(BASE, override)[0].startswith(said)


def test_faults_of_overrides_come_with_those_of_the_file(here):
    said = faults(BASE.replace("jobs: 1000", "jobs: 0"), "sedd=3")
    assert [line.split(" ")[0] for line in said] == ["x.yaml:7:15", "--set"]


def test_files_named_in_a_file_are_found_beside_it_then_here(here):
    Path("sub").mkdir()
    Path("sub/s.yaml").write_text(
        BASE.replace("synthetic: {jobs: 1000}", "trace: {path: t.csv}").replace("base", "sub")
    )
    Path("t.csv").write_text("")
    assert load("sub/s.yaml").workload.trace.path == str(here / "t.csv")
    Path("sub/t.csv").write_text("")
    assert load("sub/s.yaml").workload.trace.path == str(here / "sub/t.csv")
    assert load("sub/s.yaml", ["workload.trace.path=t.csv"]).workload.trace.path == str(
        here / "t.csv"
    )


def test_a_file_that_is_not_found_lists_both_places(here):
    Path("sub").mkdir()
    Path("sub/philly.csv").write_text("")
    Path("sub/s.yaml").write_text(
        BASE.replace("synthetic: {jobs: 1000}", "trace: {path: phily.csv}")
    )
    said = refusal("sub/s.yaml")
    assert said == (
        f"sub/s.yaml:7:11 workload.trace.path: no such file; looked for"
        f" '{here}/sub/phily.csv' and '{here}/phily.csv';"
        " did you mean 'philly.csv'? There: philly.csv"
    )


def marks(annotation: Any, own: Iterable[Any] = ()) -> list[Any]:
    """Marks of a field, those of a choice such as ``FilePath | None`` among them."""
    further = getattr(annotation, "__metadata__", ())
    return [*own, *further, *(m for part in get_args(annotation) for m in marks(part))]


def test_input_files_are_all_listed():
    def paths(section: type[Section], above: str) -> list[str]:
        found = []
        for name, info in section.model_fields.items():
            kind, path = kind_of(info.annotation, tuple(info.metadata)), f"{above}{name}"
            if any(isinstance(mark, InputFile) for mark in marks(info.annotation, info.metadata)):
                found.append(path)
            elif isinstance(kind, type):
                found += paths(kind, f"{path}.")
        return found

    assert sorted(paths(Scenario, "")) == sorted(INPUT_FILES)


def test_terminal_codes_in_keys_are_not_repeated(here):
    said = faults(BASE + '"\\e[31mred": 1\n')
    assert "\x1b" not in said[0]


def test_dump_is_complete_and_loads_back(here):
    made = scenario(BASE + "description: 'no'\n")
    text = dump(made)
    assert scenario(text) == made
    data = yaml.safe_load(text)
    assert set(data) == set(Scenario.yaml_keys())
    assert data["horizon"] == "drained"
    assert data["workload"]["estimates"] == "exact"


@pytest.mark.parametrize(
    "text", ["1e5", "no", "12:30:00", "2017-10-01", "0o17", "~", "1.", "+.5", "\x85", "a\u2028b"]
)
def test_dump_quotes_what_would_be_read_as_something_else(here, text):
    made = scenario(BASE).model_copy(update={"description": text})
    assert scenario(dump(made)).description == text


def test_a_huge_one_line_file_is_refused_at_once(here):
    assert "a line of" in faults(BASE + "description: " + "x" * 9_000_000)[0]


def test_the_schema_for_editors():
    schema = schema_json()
    json.dumps(schema)
    assert {"extends", "include", "horizon"} <= set(schema["properties"])
    assert "horizon_s" not in schema["properties"]
    pool = schema["$defs"]["Pool"]["properties"]
    assert pool["nodes"]["description"] == "the number of nodes in the pool"
    assert "dgx-h100" in schema["$defs"]["NodeRef"]["anyOf"][0]["anyOf"][0]["enum"]
    bin_ = schema["$defs"]["Output"]["properties"]["timeline_bin"]["anyOf"][0]
    assert (bin_["type"], bin_["examples"]) == ("string", ["30 min"])
    policies = schema["$defs"]["Policies"]["properties"]["scheduler"]
    assert policies["default"] == "fifo"
    assert "easy-backfill" in policies["anyOf"][0]["enum"]


def test_every_key_has_a_description():
    def bare(section: type[Section]) -> list[str]:
        missing = [
            f"{section.__name__}.{n}" for n, i in section.model_fields.items() if not i.description
        ]
        kinds = [kind_of(i.annotation, tuple(i.metadata)) for i in section.model_fields.values()]
        return missing + [m for kind in kinds if isinstance(kind, type) for m in bare(kind)]

    assert bare(Scenario) == []


def test_reading_the_schema_needs_neither_numpy_nor_pandas(here):
    """Starting up must stay quick; the time itself depends on the machine."""
    import subprocess
    import sys

    code = (
        "import sys, twin.scenario.load;"
        "print({'numpy', 'pandas', 'scipy', 'matplotlib', 'simpy'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert out.stdout.strip() == "set()"
