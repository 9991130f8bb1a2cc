"""Models of the catalog: their speeds keep what the laws promise, and broken files are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from twin.catalog import achieved, models, parts
from twin.errors import CatalogError, InputError
from twin.physics.interference import shared_rates

ALL = models.names()
PLACED = [name for name in ALL if models.model(name).work is not None]
SCALED = [name for name in ALL if models.model(name).laws]
SHARED = [name for name in ALL if models.model(name).demands]
TYPES = ("k80", "t4", "p100-pcie", "v100-32-sxm", "a100-80-sxm", "h100-sxm")


def test_what_the_literature_schedules_is_there() -> None:
    assert {"resnet50", "imagenet", "bert", "cifar10", "transformer", "lm"} <= set(ALL)
    assert {"recommendation", "a3c", "cyclegan"} <= set(ALL)
    assert set(PLACED) | set(SHARED) == set(ALL)


@pytest.mark.parametrize("name", PLACED)
def test_speeds_of_types_agree_with_each_other(name: str) -> None:
    of = models.model(name)
    for one in TYPES:
        assert of.relative_speed(one, one) == 1
        for two in TYPES:
            there = of.relative_speed(one, two)
            assert there * of.relative_speed(two, one) == approx(1)
            assert there == approx(
                of.relative_speed(one, "v100-32-sxm") * of.relative_speed("v100-32-sxm", two)
            )


@pytest.mark.parametrize("name", PLACED)
def test_newer_types_are_faster(name: str) -> None:
    speeds = [models.model(name).relative_speed(gpu, "k80") for gpu in TYPES]
    assert speeds == sorted(speeds)


def test_a_speed_typed_again() -> None:
    """resnet50 at 64 samples on a V100, from the file's numbers by hand."""
    work = yaml.safe_load(models.MODELS.read_text("utf-8"))["parts"]["resnet50"]["work"]
    shares = yaml.safe_load(achieved.ACHIEVED.read_text("utf-8"))["parts"]
    p100 = shares["p100-pcie"]["figures"]["roofline"]["share"]
    v100_s = work["host_s"] + 64 * (work["flop"] / 15.7e12 + work["bytes"] / 900e9)
    p100_s = work["host_s"] + 64 * (work["flop"] / 9.3e12 + work["bytes"] / 732e9) / p100
    found = models.model("resnet50").relative_speed("p100-pcie", "v100-32-sxm")
    assert found == approx(v100_s / p100_s)


@pytest.mark.parametrize("name", SCALED)
def test_rates_start_at_one_and_never_beat_linear(name: str) -> None:
    of = models.model(name)
    for gpu in (*of.laws, "h100-sxm"):
        assert of.rate(1, 1, gpu) == approx(1)
        for gpus in (2, 4, 8, 16):
            nodes = -(-gpus // 8)
            assert of.rate(gpus, nodes, gpu) <= gpus * (1 + 1e-9)


@pytest.mark.parametrize("name", ["bert", "cifar10", "imagenet"])
@given(gpus=st.integers(1, 64), batch=st.integers(256, 384))
@settings(max_examples=20, deadline=None)
def test_a_free_batch_is_no_worse_than_a_fixed_one(name: str, gpus: int, batch: int) -> None:
    """Goodput of the best batch against that of any other, worth and all."""
    of, nodes = models.model(name), -(-gpus // 4)
    assert of.adaptive is not None
    worth = (of.adaptive.noise + of.adaptive.nominal_batch) / (of.adaptive.noise + batch)
    found = of.law("t4")
    alone = models.scaling.best_goodput(
        found.law, 1, 1, **vars(of.adaptive), local_limit=found.local_limit
    ).goodput_per_s[0]
    fixed = models.scaling.throughput_per_s(found.law, gpus, nodes, batch, found.local_limit)
    assert of.rate(gpus, nodes, "t4") * alone >= float(fixed) * worth * (1 - 2e-3)


def test_a_fixed_batch_gains_less_from_many_gpus() -> None:
    of = models.model("imagenet")
    assert of.rate(64, 16, "t4", batch=200) < of.rate(16, 4, "t4", batch=200) * 1.05
    assert of.rate(64, 16, "t4") > 2 * of.rate(16, 4, "t4")


def test_a_type_without_a_law_takes_that_of_the_nearest() -> None:
    of = models.model("imagenet")
    assert of.stand_in("t4") == "t4"
    assert of.stand_in("h100-sxm") == "a100-40-sxm"
    near, far = of.law("a100-40-sxm"), of.law("h100-sxm")
    assert far.law.sample_s < near.law.sample_s
    assert (far.law.step_s, far.law.cluster_s) == (near.law.step_s, near.law.cluster_s)
    assert far.local_limit == 2 * near.local_limit, "80 GB against 40 GB"
    assert of.rate(16, 2, "h100-sxm") < of.rate(16, 2, "a100-40-sxm"), "faster, and waits more"


@pytest.mark.parametrize("name", SHARED)
def test_nobody_is_faster_beside_another(name: str) -> None:
    of = models.model(name)
    for other in map(models.model, SHARED):
        assert of.slow_down(other) >= 1
        assert of.slow_down(other, "a100-80-sxm") >= 1


def test_a_pair_by_hand() -> None:
    one, two = models.model("resnet50"), models.model("lm")
    demands = [each.demands["p100-pcie"] for each in (one, two)]
    rates = shared_rates([d.busy for d in demands], [d.turn for d in demands])
    assert one.slow_down(two) == approx(1 / rates[0])
    assert models.shared_rates([one, two], "p100-pcie") == approx(list(rates))
    assert one.slow_down(two) < two.slow_down(one), "longer turns get more"
    assert one.slow_down(two, "k80") != one.slow_down(two)


def test_what_turns_and_what_fills_are_of_the_same_cards() -> None:
    for each in map(models.model, SHARED):
        assert each.fillings.keys() == each.demands.keys()
    of = models.model("recommendation")
    assert of.filling("p100-pcie") is of.fillings["p100-pcie"]
    carried = of.filling("h100-sxm")
    assert carried.busy < of.fillings["p100-pcie"].busy, "a faster GPU is less busy"
    assert carried.fill == of.fillings["p100-pcie"].fill
    with pytest.raises(CatalogError, match="'bert' was never measured beside others"):
        models.model("bert").filling()


def test_a_slice_by_hand() -> None:
    busy = models.model("lm").demands["p100-pcie"].busy
    assert models.model("lm").slice_rate(0.5) == approx(1 / (1 - busy + 2 * busy))
    assert models.model("lm").slice_rate(1.0) == approx(1)


def test_assumptions_are_told() -> None:
    of = models.model("imagenet")
    assert of.assumptions("v100-32-sxm") == ()
    told = " ".join(of.assumptions("h100-sxm"))
    assert "imagenet on h100-sxm: its share of the data sheet is not known" in told
    assert "exchanges are those of a100-40-sxm" in told
    assert "demands are carried over from p100-pcie" in told
    assert len(models.model("ppo").assumptions("h100-sxm")) == 1


def test_a_faster_gpu_is_less_busy() -> None:
    of = models.model("recommendation")
    at = [of.demand(gpu).busy for gpu in ("p100-pcie", "a100-80-sxm", "h100-sxm")]
    assert at == sorted(at, reverse=True)
    assert of.demand("p100-pcie") is of.demands["p100-pcie"]


def test_pairs_take_demands_of_one_card() -> None:
    resnet, lucid = models.model("resnet18"), models.model("vgg")
    assert resnet.demand(beside=[lucid]) is resnet.demands["card-24gb"]
    assert resnet.demand(beside=[resnet]) is resnet.demands["p100-pcie"]


def test_what_is_not_known_is_told() -> None:
    with pytest.raises(InputError, match=r"unknown model 'ResNet-5'; did you mean 'resnet50'\?"):
        models.model("ResNet-5")
    with pytest.raises(CatalogError, match="'a3c' was never measured on several GPUs"):
        models.model("a3c").rate(2, 1, "t4")
    with pytest.raises(CatalogError, match="'ppo' was measured on one type of GPU alone"):
        models.model("ppo").relative_speed("t4", "k80")
    with pytest.raises(CatalogError, match="'bert' was never measured beside others"):
        models.model("bert").slow_down(models.model("lm"))
    with pytest.raises(CatalogError, match="unknown GPU 't5'"):
        models.model("imagenet").rate(2, 1, "t5")


@pytest.mark.parametrize("gpu", parts.names("gpus"))
def test_every_gpu_has_a_speed_or_says_what_it_lacks(gpu: str) -> None:
    try:
        speed = models.model("resnet50").relative_speed(gpu, "v100-32-sxm")
    except CatalogError as error:
        assert f"GPU {gpu!r}: its peak rate or bandwidth is not in the catalog" in str(error)
    else:
        assert 0.1 < speed < 20


BASES = "bases: {b: {sources: [from-memory], kind: assumed, status: unverified}}\nparts:\n  x: "


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{}", "models.yaml x: not a model: "),
        ("{title: X, work: {host_s: 1, flop: 1, bytes: 1, error: 0}}", "x: needs the key 'basis'"),
        ("{title: X, work: {basis: c}}", "x: unknown basis 'c'; Known: b"),
        ("{title: X, work: {basis: b, host_s: 1, flop: 0, bytes: 0, error: 0}}", "above zero"),
        ("{title: X, speed: 3}", "'speed'"),
        ("{title: X, demands: {basis: b, k80: {busy: 1}}}", "'turn'"),
        ("{title: X, fillings: {basis: b, k80: {busy: 1}}}", "'fill'"),
        ("{title: X, laws: {basis: b, t4: {law: {step_s: 1}}}}", "'sample_s'"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, entry: str, message: str) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(BASES + entry)
    with pytest.raises(CatalogError, match=re.escape(message)):
        models.read_models(file)


def test_the_kernel_asks_often() -> None:
    """Answers are kept: what a scheduler asks every round is a look-up."""
    of = models.model("imagenet")
    before = models._rate.cache_info().hits
    assert len({of.rate(8, 1, "t4") for _ in range(5)}) == 1
    assert models._rate.cache_info().hits >= before + 4
    assert np.isfinite(of.rate(8, 1, "t4"))
