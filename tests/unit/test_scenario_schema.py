"""Sections by hand: what values become, and what is refused in which words."""

from datetime import datetime

import pytest
from pydantic import ValidationError

from twin.distributions import (
    Choice,
    Constant,
    Earliest,
    Exponential,
    Lognormal,
    Truncated,
    Weibull,
)
from twin.scenario.output import Output
from twin.scenario.policies import Policies, PolicyRef
from twin.scenario.schema import Scenario
from twin.scenario.section import Section, yaml_key
from twin.scenario.site import NodeList, NodeRef, Pool, Site
from twin.scenario.workload import (
    Bursty,
    ExactTimes,
    LoadScale,
    MaxGpus,
    Poisson,
    ResampleArrivals,
    Shuffle,
    Synthetic,
    TimeScale,
    Trace,
    Weekly,
    Window,
    Workload,
)

POOL = {"name": "a", "node": {"gpus": 8}, "nodes": 4}


def refusals(section, **data):
    """path -> message of each fault."""
    with pytest.raises(ValidationError) as caught:
        section.model_validate(data)
    return {".".join(map(str, e["loc"])): e["msg"] for e in caught.value.errors()}


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("horizon_s", "horizon"),
        ("max_power_w", "max_power"),
        ("link_bytes_per_s", "link"),
        ("rate_per_s", "rate"),
        ("energy_usd_per_j", "energy"),
        ("price_usd", "price"),
        ("nodes_per_rack", "nodes_per_rack"),
        ("halls", "halls"),
        ("max_gpus", "max_gpus"),
    ],
)
def test_the_key_is_the_field_without_its_unit(field, key):
    assert yaml_key(field) == key


def test_no_two_fields_of_a_section_have_one_key():
    sections = Section.__subclasses__()
    assert len(sections) > 40
    for section in sections:
        keys = section.yaml_keys()
        assert len(keys) == len(set(keys)), section


def test_quantities_are_si_inside():
    assert Output(timeline_bin="10 min").timeline_bin_s == 600.0
    assert NodeRef(gpus=8, max_power="10.2 kW").max_power_w == 10_200.0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (600, "600 has no unit; write it with its unit, for example '30 min'"),
        ("600", "'600' has no unit"),
        ("600 W", "'600 W' is a power, not a duration"),
        ("600 mins", "unknown unit 'mins' for a duration; did you mean 'min'?"),
        ("0 s", "must be above 0 s, found '0 s'"),
        ("-1 h", "must be above 0 s, found '-1 h'"),
        (True, "expected a duration, found true or false"),
        (["1 h"], "expected a duration, found a list"),
    ],
)
def test_a_quantity_that_is_none_says_how_to_write_it(written, said):
    assert refusals(Output, timeline_bin=written)["timeline_bin"].startswith(said)


def test_sections_are_frozen():
    with pytest.raises(ValidationError):
        Output().timeline_bin_s = 3.0


def test_the_field_name_is_no_key():
    said = refusals(Output, timeline_bin_s="1 s")["timeline_bin_s"]
    assert said.startswith("unknown key 'timeline_bin_s'; did you mean 'timeline_bin'?")


@pytest.mark.parametrize("nodes", [4, 4.0])
def test_counts_are_whole_numbers(nodes):
    pool = Pool.model_validate(POOL | {"nodes": nodes})
    assert pool.nodes == 4
    assert type(pool.nodes) is int


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (3.5, "expected a whole number, found 3.5"),
        ("4", "expected a whole number, found '4'; write 4"),
        ("1_000", "expected a whole number, found '1_000'; write 1000"),
        (True, "expected a whole number, found true"),
        (None, "expected a whole number, found nothing"),
        (0, "must be 1 or above, found 0"),
        (float("nan"), "expected a whole number, found nan"),
        (2**31, "must be 2.14748e+09 or below"),
    ],
)
def test_what_is_no_count_is_refused(nodes, said):
    assert refusals(Pool, **(POOL | {"nodes": nodes}))["nodes"].startswith(said)


@pytest.mark.parametrize("name", ["a", "first-run", "Straße 3", "seed=1,load=0.5", "a" * 100])
def test_names_that_can_be_folders_are_taken(name):
    assert Pool.model_validate(POOL | {"name": name}).name == name


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "a\\b", "-o", "a\n", " a", "a" * 101])
def test_names_that_would_hurt_as_folders_are_refused(name):
    assert "cannot be a name" in refusals(Pool, **(POOL | {"name": name}))["name"]


def test_a_number_as_a_name_asks_for_quotes():
    said = refusals(Pool, **(POOL | {"name": 2024}))["name"]
    assert said == "expected text, found 2024; put it in quotes: '2024'"


def test_a_node_is_a_name_a_name_with_overrides_or_nameless():
    pools = [Pool.model_validate(POOL | {"node": node}) for node in ("dgx-h100", {"gpus": 4})]
    assert pools[0].node == NodeRef(use="dgx-h100")
    assert pools[1].node == NodeRef(gpus=4)
    assert "needs a node type" in refusals(Pool, **(POOL | {"node": {}}))["node"]
    assert refusals(NodeRef, use="dgx-h10")["use"].startswith(
        "unknown node 'dgx-h10'; did you mean 'dgx-h100'?"
    )
    assert "unknown GPU 'h10'" in refusals(NodeRef, gpus=8, gpu="h10")["gpu"]
    assert "unknown switch" in refusals(Pool, **(POOL | {"switch": "cisco"}))["switch"]


def test_a_site_has_pools_or_a_node_list():
    with pytest.raises(
        ValidationError, match="needs exactly one of pools and node_list; found neither"
    ):
        Site()
    with pytest.raises(ValidationError, match="found pools and node_list"):
        Site.model_validate({"pools": [POOL], "node_list": {"path": "x"}})


def test_halls_and_pools_are_named_once_and_known():
    assert refusals(Site, pools=[POOL, POOL]) == {"pools.1.name": "pool 'a' is given twice"}
    said = refusals(Site, pools=[POOL | {"halls": ["nrth"]}], regions={"eu": ["north", "south"]})
    assert said["pools.0.halls"].startswith("hall 'nrth' is in no region; did you mean 'north'?")
    said = refusals(Site, pools=[POOL], regions={"eu": ["hall-1"], "us": ["hall-1"]})
    assert said == {"regions": "hall 'hall-1' is given twice"}
    assert refusals(Pool, **(POOL | {"halls": ["a", "a"]}))["halls.1"] == "hall 'a' is given twice"
    assert (
        refusals(Pool, **(POOL | {"halls": "a"}))["halls"]
        == "expected a list, found 'a'; write [a]"
    )
    with pytest.raises(ValidationError, match=r"has too few nodes \(4\) for 5 halls"):
        Pool.model_validate(POOL | {"halls": list("abcde")})


def test_formats_of_node_lists_are_those_that_are_read(tmp_path):
    from twin.errors import TraceError
    from twin.workload.traces.nodes import read_nodes

    path = tmp_path / "nodes.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TraceError, match="unknown node-list format") as caught:
        read_nodes(path, format="?")
    known = str(caught.value).rsplit("Known: ", 1)[1].split(", ")
    schema = NodeList.model_json_schema()["properties"]["format"]["enum"]
    assert sorted(schema) == sorted([*known, "auto"])


def test_a_workload_is_a_trace_or_synthetic():
    both = {"trace": {"path": "x"}, "synthetic": {"jobs": 1}}
    for data in ({}, both):
        with pytest.raises(ValidationError, match="exactly one of trace, synthetic and jobs"):
            Workload.model_validate(data)


def test_columns_are_for_the_generic_format():
    assert Trace(path="x", columns={"gpus": "num_gpus"}).columns == {"gpus": "num_gpus"}
    assert (
        "unknown column 'gpu'"
        in refusals(Trace, path="x", columns={"gpu": "n"})["columns.gpu.[key]"]
    )
    with pytest.raises(ValidationError, match="columns are for format generic"):
        Trace(path="x", format="swf", columns={"gpus": "n"})
    assert refusals(Trace, path="x", on_bad_row="skp")["on_bad_row"] == (
        "unknown choice 'skp'; did you mean 'skip'? Known: error, skip"
    )
    assert "did you mean 'swf'?" in refusals(Trace, path="x", format="swff")["format"]


def test_transforms_are_read_in_the_order_written():
    written = [
        {"window": {"start": "2017-10-01", "end": "2017-10-02T10:00"}},
        {"time_scale": 0.5},
        {"load_scale": 2},
        {"max_gpus": 64},
        "shuffle",
        {"shuffle": None},
        {"resample_arrivals": {"bursty": {"rate": "30 per h", "cv": 4}}},
        {"window": {"end": "3 days"}},
    ]
    workload = Workload.model_validate({"trace": {"path": "x"}, "transforms": written})
    assert workload.transforms == (
        Window(start=datetime(2017, 10, 1), end=datetime(2017, 10, 2, 10)),
        TimeScale(factor=0.5),
        LoadScale(factor=2),
        MaxGpus(gpus=64),
        Shuffle(),
        Shuffle(),
        ResampleArrivals(arrivals=Bursty(rate="30 per h", cv=4)),
        Window(end="3 days"),
    )
    assert workload.transforms[6].arrivals.rate_per_s == pytest.approx(30 / 3600)
    assert workload.transforms[7].end == 3 * 86400.0


@pytest.mark.parametrize(
    ("transform", "path", "said"),
    [
        ({"time_scale": -1}, "time_scale", "must be above 0, found -1"),
        ({"time_scale": "2"}, "time_scale", "expected a number, found '2'; write 2"),
        ({"windw": {}}, "", "unknown choice 'windw'; did you mean 'window'?"),
        (
            {"shuffle": {}, "max_gpus": 1},
            "",
            "expected one key, for example {load_scale: 0.5}; found",
        ),
        ({"window": {}}, "window", "needs a start, an end or both"),
        ({"window": {"start": "2 h", "end": "1 h"}}, "window", "end must come after start"),
        (
            {"window": {"start": "2017-10-02", "end": "2017-10-01"}},
            "window",
            "end must come after start",
        ),
        ({"window": {"start": 3}}, "window.start", "3 has no unit"),
        ({"window": {"start": "2017-13-01"}}, "window.start", "expected a date such as 2017-10-01"),
        (
            {"window": {"start": "2017-10-01T10:00+02:00"}},
            "window.start",
            "'2017-10-01T10:00+02:00' names a time zone",
        ),
        (
            {"resample_arrivals": {"poisson": {"rte": "1 per h"}}},
            "resample_arrivals.poisson.rte",
            "unknown key 'rte'; did you mean 'rate'?",
        ),
    ],
)
def test_a_transform_at_fault_says_where(transform, path, said):
    found = refusals(Workload, trace={"path": "x"}, transforms=[transform])
    where = f"transforms.0.{path}".rstrip(".")
    assert found[where].startswith(said)


def test_synthetic_jobs():
    drawn = Synthetic(
        jobs=100,
        arrivals="weekly",
        load=0.8,
        sizes={"1": 0.5, 8: 1},
        durations={"lognormal": {"median": "20 min", "sigma": 2}},
    )
    assert drawn.arrivals == Weekly()
    assert drawn.sizes == {1: 0.5, 8: 1.0}
    assert drawn.durations == Lognormal(1200.0, 2.0)
    assert Synthetic(
        duration="1 week", arrivals={"poisson": {"rate": "1/min"}}
    ).arrivals == Poisson(rate="1/min")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "needs exactly one of jobs and duration; found neither"),
        ({"jobs": 1, "duration": "1 h"}, "needs exactly one of jobs and duration"),
        (
            {"jobs": 1, "load": 1, "arrivals": {"poisson": {"rate": "1/h"}}},
            "load and the rate of arrivals say the same",
        ),
        ({"jobs": 1, "sizes": {8: 0}}, "sizes have no weight above zero"),
        ({"jobs": 1, "sizes": {8: 1}, "max_gpus": 4}, "sizes have no weight above zero"),
        ({"jobs": 1, "model": "phily"}, "did you mean 'philly'"),
    ],
)
def test_synthetic_settings_that_contradict_each_other_are_refused(data, said):
    with pytest.raises(ValidationError, match=said):
        Synthetic.model_validate(data)


def test_estimates():
    def of(written):
        return Workload.model_validate({"trace": {"path": "x"}, "estimates": written}).estimates

    assert of("exact") == "exact"
    assert of("trace") == "trace"
    assert of({"exact_times": {"constant": 2}}) == ExactTimes(factor=Constant(2.0))
    said = refusals(Workload, trace={"path": "x"}, estimates={"exact_times": {"constant": "2 h"}})
    assert said == {"estimates.exact_times.constant": "expected a number, found '2 h'"}


@pytest.mark.parametrize(
    ("written", "law"),
    [
        ({"weibull": {"shape": 0.8, "mean": "50000 h"}}, Weibull(0.8, 50000 * 3600.0)),
        ({"constant": "5 min"}, Constant(300.0)),
        (
            {"choice": {"values": ["1 h", "2 h"], "weights": [1, 3]}},
            Choice((3600.0, 7200.0), (1.0, 3.0)),
        ),
        (
            {"truncated": {"law": {"constant": "1 h"}, "low": "1 s", "high": "1 day"}},
            Truncated(Constant(3600.0), 1.0, 86400.0),
        ),
        (
            {
                "earliest": {
                    "laws": [
                        {"weibull": {"shape": 0.5, "mean": "9 days"}},
                        {"exponential": {"mean": "4 h"}},
                    ]
                }
            },
            Earliest((Weibull(0.5, 9 * 86400.0), Exponential(4 * 3600.0))),
        ),
    ],
)
def test_laws_in_yaml(written, law):
    assert Synthetic(jobs=1, durations=written).durations == law


@pytest.mark.parametrize(
    ("written", "path", "said"),
    [
        ({"weibul": {}}, "", "unknown distribution 'weibul'; did you mean 'weibull'?"),
        ({"weibull": {"shape": 1}}, "weibull.mean", "missing; give a duration such as 30 min"),
        ({"weibull": {"shape": 1, "mean": 3}}, "weibull.mean", "3 has no unit"),
        ({"uniform": {"low": "2 h", "high": "1 h"}}, "uniform", "needs 0 <= low < high"),
        ({"choice": {"values": [1], "weights": [1]}}, "choice.values.0", "1 has no unit"),
        ("20 min", "", "unknown distribution '20 min'"),
        (20, "", "expected one key, for example {exponential: {mean: 30 min}}; found 20"),
        ({"constant": {}}, "constant", "expected a duration, found a mapping"),
        (
            {"earliest": {"laws": [{"constant": "1 h"}]}},
            "earliest",
            "needs two or more laws, found 1",
        ),
        (
            {"earliest": {"laws": [{"constant": "1"}]}},
            "earliest.laws.0.constant",
            "'1' has no unit",
        ),
    ],
)
def test_a_law_at_fault_says_where(written, path, said):
    where = f"durations.{path}".rstrip(".")
    assert refusals(Synthetic, jobs=1, durations=written)[where].startswith(said)


def test_policies_by_name_with_options():
    policies = Policies(scheduler={"easy-backfill": None}, placement="best-fit")
    assert policies.scheduler == PolicyRef("easy-backfill")
    said = refusals(Policies, scheduler="easy", placement={"best-fit": {"dept": 1}})
    assert said["scheduler.easy"].startswith("unknown scheduler 'easy'; ")
    assert said["placement.best-fit.dept"].startswith("best-fit has no option 'dept'")
    assert (
        refusals(Policies, scheduler={"fifo": 3})["scheduler.fifo"] == "expected options, found 3"
    )
    assert "found 2 keys" in refusals(Policies, scheduler={"fifo": {}, "x": {}})["scheduler"]


def test_the_horizon_is_drained_or_a_duration():
    rest = {"name": "x", "site": {"pools": [POOL]}, "workload": {"synthetic": {"jobs": 1}}}
    assert Scenario.model_validate(rest).horizon_s is None
    assert Scenario.model_validate(rest | {"horizon": "drained"}).horizon_s is None
    assert Scenario.model_validate(rest | {"horizon": "30 days"}).horizon_s == 30 * 86400.0
    said = refusals(Scenario, **rest, horizon="draind")["horizon"]
    assert said.endswith("or 'drained' to run until all jobs have ended")


def test_all_faults_are_told_at_once():
    said = refusals(Scenario, nme="x", site=5, workload={"trace": {}}, seed=-1)
    assert set(said) == {"nme", "site", "workload.trace.path", "seed"}
    assert said["site"].startswith("expected a mapping with the keys name, regions, pools")
    assert said["nme"].startswith("unknown key 'nme'; did you mean 'name'?")


def test_what_is_missing_says_what_to_give():
    said = refusals(Scenario, site={"pools": [POOL]})
    assert said == {
        "name": "missing; give a name, that of the folder of results",
        "workload": "missing; give what is to be done",
    }


def test_the_calendar_comes_from_the_start_or_from_the_trace():
    site = {"pools": [POOL]}
    window = [{"shuffle": {}}, {"window": {"end": "2017-10-02"}}]
    dated = {"synthetic": {"jobs": 1}, "transforms": window}
    said = refusals(Scenario, name="x", site=site, workload=dated)
    assert said["workload.transforms.1.window"].endswith("give the scenario a start")
    made = Scenario.model_validate(
        {"name": "x", "site": site, "workload": dated, "start": "2017-10-01"}
    )
    assert made.start == datetime(2017, 10, 1)
    traced = {"trace": {"path": "x"}, "transforms": window}
    assert Scenario.model_validate({"name": "x", "site": site, "workload": traced}).start is None
    said = refusals(Scenario, name="x", site=site, workload=traced, start="2017-10-01")
    assert said == {"start": "is for synthetic workloads; a trace brings its own calendar"}
