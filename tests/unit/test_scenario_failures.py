"""Failures and recovery by hand: what sections become, what is laid over them, what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from twin.distributions import Constant, Earliest, Exponential, Gamma, Lognormal, Weibull
from twin.scenario.failures import Failures
from twin.scenario.fault_class import Degraded, FaultClass, Slow
from twin.scenario.levels import LEVELS, encloses, enclosing
from twin.scenario.load import dump, load, schema_json
from twin.scenario.policies import PolicyRef
from twin.scenario.recovery import Checkpoint, Recovery
from twin.scenario.repair import Stage, usual_time_s
from twin.scenario.schema import Scenario
from twin.scenario.site import Pool
from twin.site import domains

H, D = 3600.0, 86400.0
GPU = {"of": "gpu", "life": {"exponential": {"mean": "100 d"}}, "repair": "4 h"}


def refusals(section, **data):
    """path -> message of each fault."""
    with pytest.raises(ValidationError) as caught:
        section.model_validate(data)
    return {".".join(map(str, e["loc"])): e["msg"] for e in caught.value.errors()}


def fault_class(**changes):
    return FaultClass.model_validate(GPU | changes)


# ---- levels


def test_levels_are_those_of_the_site():
    assert LEVELS == domains.LEVELS


def test_levels_enclose_one_another():
    assert enclosing("gpu") == list(LEVELS)
    assert enclosing("cdu") == ["cdu", "row", "ups", "hall", "region", "site"]
    assert enclosing("leaf") == ["leaf", "hall", "region", "site"]
    assert not encloses("leaf", "scale-up")
    assert not encloses("rack", "row")
    for inner in LEVELS:  # what encloses is transitive
        for middle in enclosing(inner):
            assert set(enclosing(middle)) <= set(enclosing(inner))


# ---- classes


def test_a_class_of_parts():
    cls = fault_class()
    assert (cls.of, cls.per, cls.life, cls.taken) == ("gpu", 1, Exponential(100 * D), "node")
    assert cls.repair == (Stage(time="4 h"),)
    assert cls.repair[0].times == ((0.0, Constant(4 * H)),)
    assert (cls.detection, cls.recurs, cls.effect) == (None, None, "fail-stop")


@pytest.mark.parametrize(
    ("of", "taken"), [("gpu", "node"), ("node", "node"), ("leaf", "leaf"), ("cdu", "cdu")]
)
def test_what_goes_out_of_service_unless_said_otherwise(of, taken):
    assert fault_class(of=of).taken == taken
    assert fault_class(of=of, takes="site").taken == "site"


def test_lives_of_infant_mortality_and_wear_out():
    laws = [
        {"weibull": {"shape": 0.5, "mean": "900 d"}},
        {"weibull": {"shape": 4, "mean": "9 days"}},
    ]
    life = fault_class(life={"earliest": {"laws": laws}}).life
    assert life == Earliest((Weibull(0.5, 900 * D), Weibull(4.0, 9 * D)))


def test_a_duration_or_its_law():
    assert fault_class(detection="30 s").detection == Constant(30.0)
    law = {"lognormal": {"median": "1 min", "sigma": 1}}
    assert fault_class(detection=law).detection == Lognormal(60.0, 1.0)
    said = refusals(FaultClass, **GPU, detection="30")
    assert said["detection"].startswith("'30' has no unit")
    said = refusals(FaultClass, **GPU, detection={"lognormal": {"median": "1 min"}})
    assert said["detection.lognormal.sigma"].startswith("missing")
    assert refusals(FaultClass, **GPU, detection=True)["detection"].startswith(
        "expected a duration"
    )


def test_effects():
    assert fault_class(effect="silent").effect == "silent"
    assert fault_class(effect={"slow": {"speed": 0.9}}).effect == Slow(speed=0.9)
    assert fault_class(effect={"degraded": {"bandwidth": 0.5}}).effect == Degraded(bandwidth=0.5)
    assert "did you mean 'fail-stop'" in refusals(FaultClass, **GPU, effect="failstop")["effect"]


def test_repair_in_stages_and_by_date():
    repair = [
        {"time": "2 h", "escalates": 0.8, "unmended": 0.4},
        {
            "time": {"dated": [{"from": "0 d", "time": "4 h"}, {"from": "9 d", "time": "1 h"}]},
            "crew": True,
        },
    ]
    first, second = fault_class(repair=repair).repair
    assert (first.escalates, first.unmended, first.crew) == (0.8, 0.4, False)
    assert second.times == ((0.0, Constant(4 * H)), (9 * D, Constant(H)))
    assert second.crew


def test_the_usual_time_of_a_repair_by_hand():
    def time_s(repair):
        return usual_time_s(fault_class(repair=repair).repair)

    assert time_s({"exponential": {"mean": "2 h"}}) == 2 * H
    assert time_s({"lognormal": {"median": "2 h", "sigma": 3}}) == pytest.approx(2 * H)
    staged = [{"time": "2 h", "escalates": 0.5}, {"time": "4 h", "escalates": 0.5}, {"time": "8 h"}]
    assert time_s(staged) == 6 * H  # 2 + 4/2 + 8/4


@pytest.mark.parametrize("key", ["wrong_unit", "idle_rate", "permanent"])
@pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", True])
def test_probabilities_lie_between_zero_and_one(key, value):
    assert key in refusals(FaultClass, **GPU, **{key: value})


def test_switches_are_true_or_false():
    said = refusals(FaultClass, **GPU, evicts="yes")["evicts"]
    assert said == "expected true or false, found 'yes'"


# ---- the whole section


def test_sets_and_classes_written_over_them():
    written = {"hall": None, "cdu": GPU | {"of": "cdu"}, "own": GPU}
    classes = Failures(use="facility-2n", classes=written).all_classes()
    assert set(classes) == {"utility", "ups", "cdu", "leak", "hall-cooling", "own"}
    assert classes["cdu"].life == Exponential(100 * D)
    assert classes["ups"].of == "ups"


def test_of_two_sets_with_a_class_in_common_the_later_holds():
    first = Failures(use=["llama3-h100", "server-parts"]).all_classes()["ssd"]
    second = Failures(use=["server-parts", "llama3-h100"]).all_classes()["ssd"]
    assert (first.per, second.per) == (8, 1)


@pytest.mark.parametrize(
    ("data", "path", "said"),
    [
        ({"use": ["fabric", "fabric"]}, "use.1", "failure set 'fabric' is given twice"),
        ({"use": 3}, "use", "expected a name or a list of names, found 3"),
        ({"use": {"fabric": {}}}, "use", "expected a name or a list of names, found a mapping"),
        ({"classes": {"gpu": None}}, "classes.gpu", "null removes a class of a set, and none has"),
        ({"lemons": {"gamma": {"shape": 0, "mean": 1}}}, "lemons.gamma.shape", "must be above 0"),
        ({"crews": 0}, "crews", "must be 1 or above"),
        ({"classes": {"a/b": GPU}}, "classes.a/b.[key]", "'a/b' cannot be a name"),
        ({"classes": {"a": 3}}, "classes.a", "expected a mapping with the keys of, per, life"),
    ],
)
def test_a_section_at_fault_says_where(data, path, said):
    assert refusals(Failures, **data)[path].startswith(said)


def test_maintenance_is_named_once():
    work = {"name": "a", "of": "rack", "first": "1 d", "every": "9 d", "lasts": "1 h"}
    assert Failures(maintenance=[work]).maintenance[0].at_once == 1
    said = refusals(Failures, maintenance=[work, work])
    assert said == {"maintenance.1.name": "maintenance 'a' is given twice"}


# ---- recovery


def test_recovery_is_inert_unless_asked_for():
    made = Recovery()
    assert (made.startup_s, made.restart_s, made.standby, made.checkpoint) == (0, 0, 0, None)


def test_one_place_for_checkpoints_or_several():
    (only,) = Checkpoint(write="60 s", flush="5 min").save_levels()
    assert (only.write_s, only.flush_s, only.every) == (60.0, 300.0, 1)
    levels = [
        {"name": "peer", "write": "1 s", "survives": ["node", "job", "gpu"]},
        {"name": "storage", "every": 10, "write": "60 s"},
    ]
    peer, storage = Checkpoint(levels=levels).save_levels()
    assert peer.survives == ("job", "gpu", "node")
    assert storage.survives == ("job", *LEVELS)


def test_the_last_level_may_leave_writing_to_the_storage():
    storage = {"read": "500 GB/s", "write": "250 GB/s"}
    checkpoint = {"state_per_gpu": "40 GB", "levels": [{"name": "storage"}]}
    made = Recovery(checkpoint=checkpoint, storage=storage)
    assert made.checkpoint.save_levels()[-1].write_s is None
    assert made.checkpoint.state_per_gpu_bytes == 40e9
    assert made.storage.node_read_bytes_per_s is None


# ---- spares


@pytest.mark.parametrize(
    ("spares", "per", "taken"),
    [
        (31, "pool", True),
        (32, "pool", False),
        (3, "rack", True),  # 4 to a rack by the catalog
        (4, "rack", False),
        (23, "row", True),
        (24, "row", False),
    ],
)
def test_spares_leave_some_nodes(spares, per, taken):
    data = {"name": "a", "node": "dgx-h100", "nodes": 32, "racks_per_row": 6}
    data |= {"spares": spares, "spares_per": per}
    if taken:
        assert Pool.model_validate(data).spares == spares
    else:
        assert "hold back fewer" in refusals(Pool, **data)["spares"]


# ---- files

SCENARIO = """\
name: base
site: {pools: [{name: a, node: dgx-h100, nodes: 64, spares: 2}]}
workload: {synthetic: {jobs: 10}}
failures:
  use: facility-2n
  lemons: {gamma: {shape: 0.5, mean: 1}}
  classes:
    gpu:
      of: gpu
      life: {exponential: {mean: 100 d}}
      repair:
        - {time: 2 h, escalates: 0.5}
        - {time: {dated: [{from: 0 d, time: 4 h}, {from: 9 d, time: {exponential: {mean: 9 h}}}]}}
    bug: {of: job, life: {exponential: {mean: 9 d}}, permanent: 0.1}
    fan: {of: node, life: {exponential: {mean: 9 d}}, repair: [{time: 2 h, crew: true}]}
    hall: null
  maintenance:
    - {name: firmware, of: rack, first: 7 days, every: 90 days, lasts: 4 h}
  incidents:
    - {at: 10 days, name: trip, of: rack, unit: 3, lasts: 4 h, effect: {slow: {speed: 0.5}}}
recovery:
  restart: 5 min
  checkpoint:
    levels:
      - {name: peer, write: 1 s, survives: [job, gpu]}
      - {name: storage, every: 5, write: 60 s}
policies:
  recovery: {replace: {patience: 1 h}}
  checkpoint: young
"""


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(SCENARIO)


def loaded(*overrides) -> Scenario:
    return load("base.yaml", overrides)


@pytest.mark.usefixtures("base")
def test_a_scenario_with_failures_is_written_back_equal():
    made = loaded()
    text = dump(made)
    Path("again.yaml").write_text(text)
    assert load("again.yaml") == made
    assert dump(load("again.yaml")) == text
    assert made.policies.recovery == PolicyRef("replace", {"patience": "1 h"})
    assert made.policies.retirement == PolicyRef("never")


@pytest.mark.usefixtures("base")
@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("failures.classes.gpu.life.exponential.mean=7 d", lambda f: f["gpu"].life),
        ("failures.classes.gpu.life={gamma: {shape: 2, mean: 7 d}}", lambda f: f["gpu"].life),
        ("failures.classes.gpu.repair[0].time=3 h", lambda f: f["gpu"].repair[0].times[0][1]),
        ("failures.classes.gpu.repair=3 h", lambda f: f["gpu"].repair[0].times[0][1]),
        (
            "failures.classes.gpu.repair[1].time.dated[1].time.exponential.mean=3 h",
            lambda f: f["gpu"].repair[1].times[1][1],
        ),
        ("failures.classes.gpu.repair[0].escalates=0.25", lambda f: f["gpu"].repair[0].escalates),
        ("failures.classes.gpu.effect={slow: {speed: 0.5}}", lambda f: f["gpu"].effect),
        ("failures.classes.bug.permanent=1", lambda f: f["bug"].permanent),
        ("failures.classes.gpu=null", None),
    ],
)
def test_overrides_reach_into_classes(override, found):
    said = {
        "failures.classes.gpu.life.exponential.mean=7 d": Exponential(7 * D),
        "failures.classes.gpu.life={gamma: {shape: 2, mean: 7 d}}": Gamma(2.0, 7 * D),
        "failures.classes.gpu.repair[0].time=3 h": Constant(3 * H),
        "failures.classes.gpu.repair=3 h": Constant(3 * H),
        "failures.classes.gpu.repair[1].time.dated[1].time.exponential.mean=3 h": Exponential(
            3 * H
        ),
        "failures.classes.gpu.repair[0].escalates=0.25": 0.25,
        "failures.classes.gpu.effect={slow: {speed: 0.5}}": Slow(speed=0.5),
        "failures.classes.bug.permanent=1": 1.0,
    }
    if found is None:
        with pytest.raises(Exception, match="null removes a class of a set"):
            loaded(override)
    else:
        assert found(loaded(override).failures.all_classes()) == said[override]


@pytest.mark.usefixtures("base")
def test_other_overrides():
    made = loaded(
        "failures.use=[llama3-h100, facility-2n]",
        "failures.lemons.gamma.shape=2",
        "failures.maintenance[firmware].lasts=2 h",
        "failures.incidents[trip].effect={degraded: {bandwidth: 0.5}}",
        "recovery.checkpoint.levels[peer].write=2 s",
        "policies.checkpoint={fixed: {every: 1 h}}",
        "site.pools[a].spares=4",
    )
    assert made.failures.use == ("llama3-h100", "facility-2n")
    assert made.failures.lemons == Gamma(2.0, 1.0)
    assert made.failures.maintenance[0].lasts_s == 2 * H
    assert made.failures.incidents[0].effect == Degraded(bandwidth=0.5)
    assert made.recovery.checkpoint.levels[0].write_s == 2.0
    assert made.site.pools[0].spares == 4
    with pytest.raises(Exception, match="unknown key 'lif'; did you mean 'life'"):
        loaded("failures.classes.gpu.lif=3 d")


@pytest.mark.usefixtures("base")
def test_a_file_over_another_changes_one_class_and_keeps_the_others():
    Path("over.yaml").write_text(
        "extends: base.yaml\n"
        "failures: {classes: {gpu: {life: {exponential: {mean: 5 d}}}, bug: {permanent: 0.2}}}"
    )
    classes = load("over.yaml").failures.all_classes()
    assert classes["gpu"].life == Exponential(5 * D)
    assert len(classes["gpu"].repair) == 2
    assert (classes["bug"].permanent, classes["bug"].life) == (0.2, Exponential(9 * D))
    assert "hall" not in classes


@pytest.mark.usefixtures("base")
def test_records_are_found_beside_the_scenario():
    Path("sub").mkdir()
    Path("sub/inc.csv").write_text("")
    Path("sub/x.yaml").write_text("extends: ../base.yaml\nfailures: {records: {path: inc.csv}}")
    made = load("sub/x.yaml")
    assert made.failures.records.path == str(Path("sub/inc.csv").resolve())


def test_a_set_of_the_catalog_may_serve_a_run_shorter_than_its_repairs():
    pool = {"name": "a", "node": "dgx-h100", "nodes": 64}
    rest = {"name": "x", "site": {"pools": [pool]}, "workload": {"synthetic": {"jobs": 1}}}
    made = Scenario.model_validate(rest | {"horizon": "2 h", "failures": {"use": "rsc1-a100"}})
    assert usual_time_s(made.failures.all_classes()["node"].repair) > 2 * H


def test_the_schema_knows_sets_levels_and_stages():
    schema = schema_json()["$defs"]
    assert "llama3-h100" in schema["Failures"]["properties"]["use"]["anyOf"][0]["enum"]
    cls = schema["FaultClass"]["properties"]
    assert set(cls["of"]["enum"]) == {"job", *LEVELS}
    repair = cls["repair"]["anyOf"][0]["anyOf"]
    assert repair[0]["type"] == "string"
    assert repair[-1]["items"]["properties"]["escalates"]["maximum"] == 1
