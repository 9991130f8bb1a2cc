"""Failure sets: rates typed again from the published counts, sources, files that hold together."""

import re
from pathlib import Path

import pytest
import yaml

from twin.catalog import failures
from twin.errors import CatalogError
from twin.failures.asked import failure_model
from twin.listing import listing
from twin.scenario.failures import Failures

REPOSITORY = Path(__file__).resolve().parents[2]
D = 86400.0
SETS = failures.names()

# Table 5 of the Llama 3 paper: what stopped the job, how often in 54 days on 16,384 GPUs.
LLAMA3_COUNTS = {
    "gpu": 148,
    "gpu-hbm": 72,
    "software": 54,
    "network": 35,
    "host-maintenance": 32,
    "gpu-sram": 19,
    "gpu-gsp": 17,
    "nic": 7,
    "collective-timeout": 7,
    "gpu-silent": 6,
    "gpu-thermal": 6,
    "ssd": 3,
    "psu": 3,
    "chassis": 2,
    "io-board": 2,
    "dependency": 2,
    "cpu": 2,
    "dimm": 2,
}


def classes(name):
    return {cls.name: cls for cls in failure_model(Failures(use=name)).classes}


def per_node_day(cls, gpus_per_node=8):
    """Failures of a class in a day of one node and of the jobs on it."""
    of_gpus = cls.of == "gpu" or (cls.of == "job" and cls.job_scale == "gpu")
    return cls.per * (gpus_per_node if of_gpus else 1) * D / cls.life.mean


def test_llama3_lives_give_the_published_counts():
    assert sum(LLAMA3_COUNTS.values()) == 419
    found = {name: per_node_day(cls) * 2048 * 54 for name, cls in classes("llama3-h100").items()}
    assert found == pytest.approx(LLAMA3_COUNTS, rel=1e-6)


def test_rates_per_1000_node_days_are_those_published():
    assert 1000 * sum(map(per_node_day, classes("llama3-h100").values())) == pytest.approx(
        3.79, abs=0.005
    )
    assert 1000 * per_node_day(classes("rsc1-a100")["node"]) == pytest.approx(6.50, rel=1e-6)


def test_an_nvl72_rack_is_interrupted_within_the_published_range():
    found = classes("gb200-nvl72")
    per_rack_day = (
        18 * per_node_day(found["compute-tray"], 4)
        + per_node_day(found["switch-tray"], 4)
        + per_node_day(found["backplane"], 4)
    )
    assert 72 / per_rack_day == pytest.approx(3e6**0.5, rel=1e-3)  # of 1,000 to 3,000 GPU-days
    assert found["switch-tray"].takes == found["backplane"].takes == "scale-up"
    assert found["backplane"].repair[0].law(0.0).quantile([0, 1]) == pytest.approx(
        [8 * 3600, 24 * 3600]
    )


def test_the_lives_and_repairs_of_stepfun_are_those_fitted():
    """A new fit has to be typed into the catalog."""
    fit = yaml.safe_load((REPOSITORY / "calibration/failures/stepfun.yaml").read_text("utf-8"))
    fit = fit["days_0_210"]
    again = fit["recurrence"]
    for name, cls in classes("stepfun").items():
        theirs = fit["classes"][{"psu": "power-supply"}.get(name, name)]
        repair = theirs.get("repair", fit["repair"]["weibull"])
        (stage,) = cls.repair
        law = stage.law(0.0)
        assert (cls.of, cls.life.mean / D) == ("node", pytest.approx(theirs["own_life_d"]))
        assert (law.shape, law.mean / D) == pytest.approx((repair["shape"], repair["mean_d"]))
        assert stage.unmended == pytest.approx(again["unmended"])
        assert cls.recurs.median / D == pytest.approx(again["recurs_median_d"])
        assert cls.recurs.sigma == pytest.approx(again["recurs_sigma"])
    assert len(classes("stepfun")) == len(fit["classes"])
    # With those that come back, as many as there were: 4.11 per 1000 node-days.
    fresh = 1000 * sum(map(per_node_day, classes("stepfun").values()))
    assert fresh / (1 - again["unmended"]) == pytest.approx(fit["all"]["rate"], rel=0.05)


# Set, class, share of the parts that fail in a year, typed again from the reference.
SHARES = [
    ("server-parts", "dimm", 0.001),
    ("server-parts", "ssd", 0.002),
    ("server-parts", "board", 0.024),
    ("server-parts", "psu", (0.01 * 0.02) ** 0.5),
    ("server-parts", "fan", (0.005 * 0.01) ** 0.5),
    ("fabric", "nic", (0.005 * 0.01) ** 0.5),
    ("fabric", "link", 12 * 0.00057),
    ("fabric", "leaf", 12 * 0.00051),
    ("facility-2n", "cdu", 0.1),
    ("facility-2n", "ups", 2 * 0.1 * 0.05),
    ("facility-2n", "hall", 0.02),
    ("facility-2n", "leak", (0.0005 * 0.005) ** 0.5),
    ("facility-2n", "hall-cooling", (0.2 * 0.5) ** 0.5),
    ("facility-2n", "utility", 2 * 0.005 * 0.755),
]


@pytest.mark.parametrize(("name", "cls", "per_year"), SHARES)
def test_lives_typed_again_from_annual_rates(name, cls, per_year):
    assert 365 * D / classes(name)[cls].life.mean == pytest.approx(per_year, rel=1e-3)


def test_what_reaches_the_load_lasts_longer_than_batteries():
    law = classes("facility-2n")["utility"].repair[0].law(0.0)
    assert law.quantile(0.0) == pytest.approx(180.0)
    assert law.law.quantile([0.05, 0.95]) == pytest.approx([30, 4 * 3600], rel=0.02)
    assert 1 - law.law.cdf(180.0) == pytest.approx(0.755, abs=0.002)


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_a_model_and_its_figures_have_sources(name):
    entry = failures.failure_set(name)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert entry.title
    assert set(classes(name)) == set(entry.classes)
    for of, keys in entry.classes.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", of)
        figures = set(keys) - {"of", "per", "scale", "takes", "effect"}
        assert figures == set(entry.bases[of]), of
        for basis in entry.bases[of].values():
            recalled = basis.sources == ("from-memory",)
            assert recalled == (basis.status == "unverified")
            assert not recalled or basis.kind == "assumed"
            assert basis.place


def test_marks_of_the_reference_are_carried():
    def status(name, cls, key):
        return failures.failure_set(name).bases[cls][key].status

    assert status("llama3-h100", "gpu", "life") == "derived"  # from verified counts
    assert status("llama3-h100", "gpu", "detection") == "verified"
    assert status("llama3-h100", "gpu", "repair") == "unverified"
    assert status("fabric", "link", "life") == "derived"
    assert status("fabric", "nic", "life") == "unverified"
    assert status("gb200-nvl72", "backplane", "repair") == "verified"
    assert status("server-parts", "psu", "life") == "unverified"


def test_every_source_and_basis_resolves():
    document = yaml.safe_load(failures.FILE.read_text("utf-8"))
    page = (REPOSITORY / "docs/reference/sources.md").read_text("utf-8")
    known = re.findall(r"^- \*\*\[([^\]]+)\]\*\* \S", page, flags=re.MULTILINE)
    for basis in document["bases"].values():
        assert set(basis["sources"]) <= set(known)
    used = {
        basis
        for entry in document["parts"].values()
        for cls in entry["classes"].values()
        for basis in cls["figures"]
    }
    assert used == set(document["bases"])


def test_no_key_stands_twice():
    def check(node):
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), sorted(keys)
            for _, value in node.value:
                check(value)

    check(yaml.compose(failures.FILE.read_text("utf-8")))


def test_sets_are_listed_with_what_their_figures_rest_on():
    assert "llama3-h100" in listing()
    assert listing("failures").splitlines()[0].startswith("fabric ")
    whole = listing("failures", "rsc1-a100")
    assert re.search(
        r"^node +of +node$", "\n".join(map(str.rstrip, whole.splitlines())), re.MULTILINE
    )
    assert re.search(
        r"life +measured, derived: kokolis2025 +\{exponential: \{mean: 153.8462 d\}\}", whole
    )
    with pytest.raises(CatalogError, match="unknown failure set 'rsc1'; did you mean 'rsc1-a100'"):
        listing("failures", "rsc1")


BASES = "bases:\n  table: {sources: [from-memory], kind: assumed, status: unverified}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: {title: X}", "sets.yaml x: needs the key 'classes'"),
        ("x: {title: X, classes: {a: {of: gpu}}}", "sets.yaml x: needs the key 'figures'"),
        (
            "x: {classes: {a: {of: gpu, figures: {tabel: {life: 1}}}}}",
            "sets.yaml x: a: unknown basis 'tabel'; did you mean 'table'",
        ),
        (
            "x: {classes: {a: {of: gpu, figures: {table: {of: node}}}}}",
            "sets.yaml x: a: of is given twice; keep one",
        ),
        ("x: {clases: {}}", "sets.yaml x: needs the key 'classes'"),
        ("x: {classes: {}, titel: X}", "sets.yaml x: not a failure set"),
        ("x: 3", "sets.yaml x: not a failure set"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path, text, message):
    file = tmp_path / "sets.yaml"
    file.write_text(f"{BASES}parts:\n  {text}\n")
    with pytest.raises(CatalogError, match=re.escape(message)):
        failures.read_sets(file)
