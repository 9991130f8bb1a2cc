"""Sections of a scenario as the models that a run is made with, and incidents from a file."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.distributions import Constant, Exponential, Gamma
from twin.errors import InputError
from twin.failures.asked import check_site, failure_model, read_incidents, restart_model
from twin.failures.model import FailureModel, FaultClass, Incident, Maintenance, Stage
from twin.failures.restart import ANYTHING, RestartModel, SaveLevel, Storage
from twin.scenario.failures import Failures
from twin.scenario.recovery import Recovery
from twin.site.domains import Domains
from twin.site.layout import Pool, lay_out

H, D = 3600.0, 86400.0
GPU = {"of": "gpu", "life": {"exponential": {"mean": "100 d"}}, "repair": "4 h"}


def only(**changes) -> FaultClass:
    (cls,) = failure_model(Failures(classes={"x": GPU | changes})).classes
    return cls


def test_without_the_section_nothing_fails():
    assert failure_model(None) == FailureModel()
    assert not failure_model(None)
    assert not failure_model(Failures())


def test_what_is_left_out_is_as_the_model_has_it():
    repair = (Stage(times=((0.0, Constant(4 * H)),)),)
    life = Exponential(100 * D)
    assert only() == FaultClass(name="x", of="gpu", life=life, repair=repair)
    assert only(of="rack") == FaultClass(
        name="x", of="rack", life=life, repair=repair, takes="rack"
    )


def test_every_key_of_a_class_arrives():
    cls = only(
        per=2,
        age="9 d",
        idle_rate=0.5,
        effect={"slow": {"speed": 0.75}},
        evicts=True,
        takes="rack",
        detection="30 s",
        repair=[{"time": "1 h", "escalates": 0.5, "unmended": 0.25}, {"time": "9 h", "crew": True}],
        recurs="2 h",
        false_alarms=0.125,
        inspection="3 h",
        wrong_unit=0.0625,
        common_cause={"share": 0.05, "of": "row"},
        predicted={"recall": 0.4, "precision": 0.8, "lead": "10 min"},
    )
    assert cls == FaultClass(
        name="x",
        of="gpu",
        life=Exponential(100 * D),
        repair=(
            Stage(((0.0, Constant(H)),), escalates=0.5, unmended=0.25),
            Stage(((0.0, Constant(9 * H)),), crew=True),
        ),
        per=2,
        age_s=9 * D,
        idle_rate=0.5,
        effect="slow",
        speed=0.75,
        evicts=True,
        takes="rack",
        detection=Constant(30.0),
        recurs=Constant(2 * H),
        false_alarms=0.125,
        inspection=Constant(3 * H),
        wrong_unit=0.0625,
        beta=0.05,
        beta_of="row",
        recall=0.4,
        precision=0.8,
        lead_s=600.0,
    )


def test_effects_and_dates():
    degraded = only(effect={"degraded": {"bandwidth": 0.5, "exposed": 0.25}})
    assert (degraded.effect, degraded.bandwidth, degraded.exposed_share) == ("degraded", 0.5, 0.25)
    assert only(effect="silent").effect == "silent"
    dated = [{"from": "0 d", "time": "4 h"}, {"from": "9 d", "time": "1 h"}]
    (stage,) = only(repair={"dated": dated}).repair
    assert [stage.law(at_s) for at_s in (0.0, 9 * D - 1, 9 * D)] == [
        Constant(4 * H),
        Constant(4 * H),
        Constant(H),
    ]


def test_software_of_jobs():
    written = {"of": "job", "life": {"exponential": {"mean": "9 d"}}, "detection": "1 min"}
    written |= {"permanent": 0.1, "scale": "gpu"}
    (cls,) = failure_model(Failures(classes={"bug": written})).classes
    assert (cls.of, cls.job_scale, cls.permanent, cls.repair) == ("job", "gpu", 0.1, ())
    assert cls.detection == Constant(60.0)


def test_the_whole_section():
    work = {"name": "w", "of": "rack", "first": "1 d", "every": "9 d", "lasts": "1 h"}
    later = {"at": "2 d", "name": "b", "of": "site", "lasts": "1 h"}
    sooner = {"at": "1 d", "name": "a", "of": "rack", "unit": 3, "lasts": "1 h"}
    model = failure_model(
        Failures(
            rate=2,
            lemons={"gamma": {"shape": 0.5, "mean": 1}},
            mends_lemons=True,
            crews=4,
            maintenance=[work | {"at_once": 2, "notice": "30 min"}],
            incidents=[later, sooner | {"effect": {"slow": {"speed": 0.5}}}],
        )
    )
    assert model == FailureModel(
        lemons=Gamma(0.5, 1.0),
        mends_lemons=True,
        rate_factor=2.0,
        maintenance=(Maintenance("w", "rack", D, 9 * D, H, 2, 1800.0),),
        incidents=(
            Incident(D, "a", "rack", 3, H, "slow", speed=0.5),
            Incident(2 * D, "b", "site", 0, H),
        ),
        crews=4,
    )
    assert failure_model(Failures()).crews == inf


# ---- incidents from a file


def rows(path, text):
    path.write_text(text, encoding="utf-8")
    return read_incidents(path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "inc.csv"


def test_incidents_of_a_file_join_those_written_out(file):
    rows(file, "at_h,name,of,unit,lasts_min,effect\n36,feed,rack,3,45,\n")
    written = {"at": "1 d", "name": "a", "of": "site", "lasts": "1 h"}
    model = failure_model(Failures(incidents=[written], records={"path": str(file)}))
    assert model.incidents == (
        Incident(D, "a", "site", 0, H),
        Incident(36 * H, "feed", "rack", 3, 2700.0),
    )


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86400.0)]
)
def test_units_of_time_stand_in_the_header(file, unit, factor):
    (one,) = rows(file, f"name,lasts_{unit},unit,of,at_{unit}\nx,2,0,hall,1.5\n")
    assert (one.at_s, one.lasts_s) == (1.5 * factor, 2 * factor)


def test_effects_blank_lines_quotes_and_a_byte_order_mark(file):
    found = rows(
        file,
        "\ufeffat_s, name,of,unit,lasts_s,effect\r\n"
        "1,a,rack,0,9,{slow: {speed: 0.5}}\r\n\r\n"
        '2,b,rack,0,9,"{degraded: {bandwidth: 0.5, exposed: 0.25}}"\r\n'
        " 3 , c , rack , 0 , 9 , silent \r\n",
    )
    assert [one.effect if isinstance(one.effect, str) else "" for one in found] == [
        "",
        "",
        "silent",
    ]
    assert found[0].effect.speed == 0.5
    assert found[1].effect.exposed == 0.25


HEAD = "at_s,name,of,unit,lasts_s\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: needs one column at_s, at_min, at_h or at_days; found 0"),
        ("at_s,name,of,unit\n", ":1: needs one column lasts_s, lasts_min, lasts_h or lasts_days"),
        ("at_s,at_h,name,of,unit,lasts_s\n", ":1: needs one column at_s, at_min, at_h or at_days;"),
        ("at_m,name,of,unit,lasts_s\n", ":1: unknown column 'at_m'; did you mean 'at_min'"),
        ("at_s,name,of,lasts_s\n", ":1: needs one column unit; found 0"),
        (HEAD + "1,a,rack,0\n", ":2: 4 cells under 5 columns"),
        (HEAD + "1,a,rack,0,9\n\n-1,a,rack,0,9\n", ":4 at_s: must be 0 s or above"),
        (HEAD + "1,a,rak,0,9\n", ":2 of: unknown choice 'rak'; did you mean 'rack'"),
        (HEAD + "1,a,rack,x,9\n", ":2 unit: expected a whole number, found 'x'"),
        (HEAD + "1,a,rack,0,0\n", ":2 lasts_s: must be above 0 s"),
        (HEAD + "soon,a,rack,0,9\n", ":2 at_s: 'soon s' is not a duration"),
        (HEAD + "1,,rack,0,9\n", ":2 name: '' cannot be a name"),
        (HEAD.strip() + ",effect\n1,a,rack,0,9,{slow\n", ":2 effect: unknown choice '{slow'"),
        (HEAD + '1,"a,rack,0,9\n', ": cannot be read as CSV: unexpected end of data"),
    ],
)
def test_a_file_of_incidents_at_fault_says_where(file, text, said):
    with pytest.raises(InputError) as caught:
        rows(file, text)
    assert str(caught.value).startswith(f"{file}{said}"), caught.value


def test_a_file_that_is_no_text_or_not_there_is_refused(file, tmp_path):
    file.write_bytes(b"\xff\xfe\x00")
    for path in (file, tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read as CSV"):
            read_incidents(path)


@given(st.text(max_size=80))
def test_any_text_is_incidents_or_a_clear_refusal(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes((HEAD + text).encode("utf-8", "surrogatepass"))
    try:
        read_incidents(path)
    except InputError as error:
        assert str(error).startswith(str(path))


# ---- against a site

SITE = lay_out([Pool("a", "node", "", 8, 12, nodes_per_rack=3, racks_per_row=2)])


def test_incidents_of_units_that_are_not_there_are_refused():
    def model(of, unit):
        return failure_model(
            Failures(incidents=[{"at": "1 d", "name": "a", "of": of, "unit": unit, "lasts": "1 h"}])
        )

    for of, units in (("gpu", 96), ("node", 12), ("rack", 4), ("row", 2), ("site", 1)):
        check_site(model(of, units - 1), Domains(SITE), 1e6)
        with pytest.raises(InputError, match=f"hits {of} {units}, but the site has {units},"):
            check_site(model(of, units), Domains(SITE), 1e6)


@pytest.mark.parametrize(("at_once", "fits"), [(1, False), (2, True), (4, True)])
def test_a_round_of_maintenance_ends_before_the_next(at_once, fits):
    work = {"name": "fw", "of": "rack", "first": "0 s", "every": "9 h", "lasts": "4 h"}
    model = failure_model(Failures(maintenance=[work | {"at_once": at_once}]))
    if fits:
        check_site(model, Domains(SITE), 1e6)
    else:
        with pytest.raises(InputError, match=r"'fw' takes 16.0 h for 4 units of rack.*2 or more"):
            check_site(model, Domains(SITE), 1e6)


# ---- recovery


def test_recovery_by_default_costs_nothing():
    assert restart_model(Recovery()) == RestartModel()


def test_every_key_of_recovery_arrives():
    model = restart_model(
        Recovery(
            startup="2 min",
            restart="5 min",
            standby=1,
            standby_from=16,
            admit_gpus=4096,
            retries=10,
            checkpoint={"write": "60 s", "flush": "30 s", "read": "9 s", "kinds": ["batch"]},
            storage={"read": "500 GB/s", "write": "250 GB/s", "node_read": "20 GB/s"},
        )
    )
    assert model == RestartModel(
        startup_s=120.0,
        restart_s=300.0,
        standby_nodes=1,
        standby_from_nodes=16,
        admit_gpus=4096,
        retries=10,
        kinds=frozenset({"batch"}),
        levels=(SaveLevel("storage", 1, 60.0, 30.0, 9.0),),
        storage=Storage(500e9, 250e9, 20e9, inf),
    )
    assert model.levels[0].survives is ANYTHING


def test_the_state_says_how_long_writing_takes():
    storage = {"read": "500 GB/s", "write": "250 GB/s", "node_write": "10 GB/s"}
    model = restart_model(Recovery(checkpoint={"state_per_gpu": "40 GB"}, storage=storage))
    assert (model.writes_state, model.state_bytes_per_gpu) == (True, 40e9)
    # 16,384 GPUs: the storage, 655 TB at 250 GB/s; 8 GPUs: the node's link, 320 GB at 10 GB/s.
    assert model.levels_of(16_384, 2048)[0].write_s == pytest.approx(16_384 * 40e9 / 250e9)
    assert model.levels_of(8, 1)[0].write_s == pytest.approx(32.0)


def test_levels_survive_what_they_say():
    levels = [
        {"name": "peer", "write": "1 s", "survives": ["job", "node"]},
        {"name": "storage", "every": 5, "write": "60 s"},
    ]
    peer, storage = restart_model(Recovery(checkpoint={"levels": levels})).levels
    assert peer.outlives({"job", "node"})
    assert not peer.outlives({"rack"})
    assert storage.outlives({"site", "job"})
    assert (storage.every, storage.survives is ANYTHING) == (5, True)
