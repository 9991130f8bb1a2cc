"""The catalog: figures typed again from the reference, sources that resolve, files that hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from twin.catalog import parts
from twin.catalog.figures import FIGURE_KINDS, STATUSES, read_parts
from twin.errors import CatalogError
from twin.units import DIMENSIONS, Dimension

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOG = Path(parts.__file__).parent
ALL = [(kind, name) for kind in parts.PARTS for name in parts.names(kind)]

# Typed by hand from the reference tables, in SI, not read from them and not from the catalog.
RETYPED: list[tuple[str, str, str, float]] = [
    ("gpus", "a100-40-sxm", "memory_bytes_per_s", 1.555e12),
    ("gpus", "a100-80-sxm", "tdp_w", 400),
    ("gpus", "a100-80-sxm", "idle_w", 62),
    ("gpus", "a100-80-sxm", "memory_bytes", 80e9),
    ("gpus", "a100-80-sxm", "memory_bytes_per_s", 2.039e12),
    ("gpus", "a100-80-sxm", "scale_up_bytes_per_s", 300e9),
    ("gpus", "a100-80-sxm", "bf16_flop_per_s", 312e12),
    ("gpus", "h100-sxm", "tdp_w", 700),
    ("gpus", "h100-sxm", "memory_bytes_per_s", 3.35e12),
    ("gpus", "h100-sxm", "scale_up_bytes_per_s", 450e9),
    ("gpus", "h100-sxm", "bf16_flop_per_s", 989e12),
    ("gpus", "h100-sxm", "fp8_flop_per_s", 1979e12),
    ("gpus", "h100-sxm", "bf16_matmul_flop_per_s", 794.5e12),
    ("gpus", "h100-sxm", "price_usd_high", 35_000),
    ("gpus", "h100-sxm", "rent_usd_per_s_low", 1.49 / 3600),
    ("gpus", "h200-sxm", "memory_bytes", 141e9),
    ("gpus", "b200-sxm", "tdp_w", 1000),
    ("gpus", "b200-sxm", "fp4_flop_per_s", 9e15),
    ("gpus", "gb200", "scale_up_gpus", 72),
    ("gpus", "gb300", "tdp_w", 1400),
    ("gpus", "mi300x", "memory_bytes", 192e9),
    ("gpus", "mi300x", "bf16_matmul_flop_per_s", 668.4e12),
    ("gpus", "mi355x", "scale_up_bytes_per_s", 535.5e9),
    ("gpus", "l40s", "scale_up_bytes_per_s", 0),
    ("gpus", "v100-32-sxm", "fp16_flop_per_s", 125e12),
    ("gpus", "mi250x", "idle_w", 88),
    ("nodes", "dgx-a100", "max_power_w", 6500),
    ("nodes", "dgx-a100", "nic_bytes_per_s", 25e9),
    ("nodes", "dgx-h100", "max_power_w", 10_200),
    ("nodes", "dgx-h100", "idle_power_w", 1900),
    ("nodes", "dgx-h100", "rack_power_w", 41_000),
    ("nodes", "dgx-h100", "nics", 8),
    ("nodes", "dgx-h100", "price_usd_low", 250_000),
    ("nodes", "dgx-b200", "max_power_w", 14_300),
    ("nodes", "gb200-nvl72", "max_power_w", 5400),
    ("nodes", "gb200-nvl72", "rack_power_w", 120_000),
    ("nodes", "gb200-nvl72", "rack_price_usd_high", 3.9e6),
    ("nodes", "gb300-nvl72", "rack_power_w", 135_000),
    ("nodes", "mi355x-8", "nodes_per_rack", 8),
    ("nodes", "frontier-ex235a", "nodes_per_rack", 128),
    ("switches", "quantum-2-qm9700", "radix", 64),
    ("switches", "quantum-2-qm9700", "port_bytes_per_s", 50e9),
    ("switches", "quantum-x800-q3400", "latency_s", 1e-7),
    ("switches", "tomahawk-5", "power_w", 1200),
    ("links", "nvlink-5", "bytes_per_s", 900e9),
    ("links", "pcie-5", "bytes_per_s", 63e9),
    ("links", "infiniband-ndr", "bytes_per_s", 50e9),
    ("links", "optic-2x400g", "power_w", 17),
]

# What the reference marks as from memory must not come out as checked, and the other way round.
MARKS: list[tuple[str, str, str, str]] = [
    ("gpus", "h100-sxm", "tdp_w", "verified"),
    ("gpus", "h100-sxm", "idle_w", "unverified"),
    ("gpus", "h100-sxm", "price_usd_low", "unverified"),
    ("gpus", "h100-sxm", "rent_usd_per_s_low", "verified"),
    ("gpus", "a100-80-sxm", "idle_w", "verified"),
    ("gpus", "a100-40-sxm", "tdp_w", "unverified"),
    ("gpus", "a100-40-sxm", "bf16_flop_per_s", "derived"),
    ("gpus", "tpu-v5p", "tdp_w", "unverified"),
    ("nodes", "dgx-a100", "max_power_w", "unverified"),
    ("nodes", "dgx-h100", "max_power_w", "verified"),
    ("nodes", "dgx-h100", "idle_power_w", "unverified"),
    ("nodes", "gb200-nvl72", "rack_price_usd_low", "verified"),
    ("nodes", "gb200-nvl72", "price_usd_low", "derived"),
    ("switches", "quantum-2-qm9700", "radix", "verified"),
    ("switches", "quantum-2-qm9700", "latency_s", "unverified"),
    ("links", "nvlink-4", "bytes_per_s", "verified"),
]


@pytest.mark.parametrize(("kind", "name", "field", "expected"), RETYPED)
def test_figures_typed_again_from_the_reference(
    kind: str, name: str, field: str, expected: float
) -> None:
    assert getattr(parts.part(kind, name), field) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("kind", "name", "field", "status"), MARKS)
def test_marks_of_the_reference_are_carried(kind: str, name: str, field: str, status: str) -> None:
    (figure,) = (f for f in parts.figures(kind, name) if f.field == field)
    assert figure.basis.status == status


def test_what_is_from_memory_is_never_called_checked() -> None:
    for kind, name in ALL:
        for figure in parts.figures(kind, name):
            recalled = figure.basis.sources == ("from-memory",)
            assert recalled == (figure.basis.status == "unverified"), (name, figure)
            assert figure.basis.status in STATUSES
            assert figure.basis.kind in FIGURE_KINDS


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_part_holds_together(kind: str, name: str) -> None:
    """Figures and fields agree; what has no figure is None; names are kebab-case; text is text."""
    entry, figures = parts.part(kind, name), parts.figures(kind, name)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert entry.name == name
    assert entry.title
    assert isinstance(entry.notes, str)
    assert figures, "a part with nothing known about it"
    stated = {figure.field: figure.value for figure in figures}
    for field in entry.__dataclass_fields__.values():
        if "key" in field.metadata:
            assert getattr(entry, field.name) == stated.get(field.name)


@pytest.mark.parametrize("kind", list(parts.PARTS))
def test_fields_carry_the_suffix_of_their_unit(kind: str) -> None:
    suffixes = {"W": "w", "bytes": "bytes", "bytes/s": "bytes_per_s", "FLOP/s": "flop_per_s"}
    suffixes |= {"USD": "usd", "USD/s": "usd_per_s", "s": "s"}
    for field in parts.PARTS[kind].__dataclass_fields__.values():
        reads = field.metadata.get("reads")
        if isinstance(reads, Dimension):
            assert reads in DIMENSIONS
            assert re.search(rf"(^|_){suffixes[reads.si]}(_low|_high)?$", field.name), field.name


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_plain_words_are_of_the_kinds_declared(kind: str, name: str) -> None:
    """YAML knows no Literal: the domain of a node and the kind of a switch are checked here."""
    entry = parts.part(kind, name)
    for field, declared in get_type_hints(type(entry)).items():
        choices = get_args(declared)
        if choices and all(isinstance(choice, str) for choice in choices):
            assert getattr(entry, field) in choices


def test_every_gpu_of_a_node_is_in_the_catalog() -> None:
    for name in parts.names("nodes"):
        gpu = parts.node(name).gpu
        assert gpu is not None
        assert parts.gpu(gpu).name == gpu


def test_powers_are_in_order() -> None:
    for name in parts.names("gpus"):
        gpu = parts.gpu(name)
        assert gpu.tdp_w is not None
        assert gpu.idle_w is None or 0 < gpu.idle_w < gpu.tdp_w / 2, name
    for name in parts.names("nodes"):
        node = parts.node(name)
        gpu = parts.gpu(node.gpu or "")
        assert node.max_power_w is not None
        assert gpu.tdp_w is not None
        assert node.max_power_w > node.gpus * gpu.tdp_w, name
        if node.idle_power_w is not None and gpu.idle_w is not None:
            assert node.gpus * gpu.idle_w < node.idle_power_w < node.max_power_w / 2, name
        if node.rack_power_w is not None and node.nodes_per_rack is not None:
            # Above: NVLink switch trays. Below: racks planned under the sum of maxima.
            assert 0.8 < node.rack_power_w / (node.nodes_per_rack * node.max_power_w) < 1.3, name


def test_bands_have_their_ends_in_order() -> None:
    pairs = 0
    for kind, name in ALL:
        entry = vars(parts.part(kind, name))
        for low in (field for field in entry if field.endswith("_low")):
            if entry[low] is not None and entry[low.replace("_low", "_high")] is not None:
                assert 0 < entry[low] < entry[low.replace("_low", "_high")], (name, low)
                pairs += 1
    assert pairs > 50


def test_narrower_numbers_are_never_slower_and_matmul_stays_below_peak() -> None:
    for name in parts.names("gpus"):
        gpu = parts.gpu(name)
        rates = [gpu.tf32_flop_per_s, gpu.bf16_flop_per_s, gpu.fp8_flop_per_s, gpu.fp4_flop_per_s]
        known = [rate for rate in rates if rate is not None]
        assert known == sorted(known), name
        if gpu.bf16_matmul_flop_per_s is not None and gpu.bf16_flop_per_s is not None:
            assert 0.4 * gpu.bf16_flop_per_s < gpu.bf16_matmul_flop_per_s < gpu.bf16_flop_per_s


@pytest.mark.parametrize("name", ["gb200-nvl72", "gb300-nvl72", "vr-nvl72"])
def test_an_nvl72_rack_is_18_trays_of_4_gpus_in_one_domain(name: str) -> None:
    node = parts.node(name)
    gpu = parts.gpu(node.gpu or "")
    assert node.scale_up_domain == "rack"
    assert (node.gpus, node.nodes_per_rack) == (4, 18)
    assert gpu.scale_up_gpus == 72
    for share, rack in (
        (node.price_usd_low, node.rack_price_usd_low),
        (node.price_usd_high, node.rack_price_usd_high),
    ):
        if rack is not None:
            assert share == pytest.approx(rack / 18, abs=0.5)  # the file rounds to a dollar


def test_a_node_domain_is_no_larger_than_what_its_gpus_can_join() -> None:
    for name in parts.names("nodes"):
        node = parts.node(name)
        gpu = parts.gpu(node.gpu or "")
        if node.scale_up_domain == "node" and gpu.scale_up_bytes_per_s:
            assert gpu.scale_up_gpus == node.gpus, name


@pytest.mark.parametrize(
    ("gpu", "link"),
    [
        ("v100-32-sxm", "nvlink-2"),
        ("a100-40-sxm", "nvlink-3"),
        ("a100-80-sxm", "nvlink-3"),
        ("h100-sxm", "nvlink-4"),
        ("h200-sxm", "nvlink-4"),
        ("b200-sxm", "nvlink-5"),
        ("gb200", "nvlink-5"),
        ("b300-sxm", "nvlink-5"),
        ("vr200", "nvlink-6"),
        ("mi300x", "xgmi-mi300x"),
        ("mi325x", "xgmi-mi300x"),
        ("mi355x", "xgmi-mi355x"),
        ("gaudi-2", "gaudi-2-mesh"),
        ("gaudi-3", "gaudi-3-mesh"),
        ("trainium-2", "neuronlink-3"),
        ("tpu-v7", "ici-v7"),
    ],
)
def test_two_tables_agree_on_the_scale_up_bandwidth(gpu: str, link: str) -> None:
    assert parts.gpu(gpu).scale_up_bytes_per_s == parts.link(link).bytes_per_s


def test_a_missing_figure_is_none() -> None:
    assert parts.gpu("a100-80-sxm").fp8_flop_per_s is None
    assert parts.gpu("v100-32-sxm").bf16_flop_per_s is None
    assert parts.gpu("tpu-v4").idle_w is None
    assert parts.node("grand-teton-h100").price_usd_low is None


@pytest.mark.parametrize(
    ("look_up", "name", "message"),
    [
        (parts.node, "dgx-h1000", "unknown node 'dgx-h1000'; did you mean 'dgx-h100'?"),
        (parts.node, "DGX_H100", "unknown node 'DGX_H100'; did you mean 'dgx-h100'?"),
        (parts.gpu, "h100-smx", "unknown GPU 'h100-smx'; did you mean 'h100-sxm'?"),
        (parts.switch, "tomahawk-9", "unknown switch 'tomahawk-9'; did you mean 'tomahawk-"),
        (parts.link, "", "unknown link ''; Known: cable-200g-active"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(look_up: Any, name: str, message: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(message)):
        look_up(name)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(CatalogError, match="no kind of part 'gpu'; did you mean 'gpus'"):
        parts.names("gpu")


def test_overrides_replace_what_they_name_and_nothing_else() -> None:
    base = parts.node("dgx-h100")
    node = parts.with_overrides(base, {"max_power_w": 9000.0, "price_usd_low": 2e5})
    assert (node.max_power_w, node.price_usd_low) == (9000.0, 2e5)
    assert (node.idle_power_w, node.gpus, node.gpu) == (base.idle_power_w, 8, "h100-sxm")
    assert base.max_power_w == 10_200
    assert parts.with_overrides(base, {}) == base
    assert parts.with_overrides(base, {"gpus": 8, "gpu": "h100-sxm"}) == base


def test_figures_of_the_whole_node_fall_with_its_gpus() -> None:
    node = parts.with_overrides(parts.node("dgx-h100"), {"gpus": 4})
    assert (node.gpus, node.max_power_w, node.idle_power_w) == (4, None, None)
    assert (node.rack_power_w, node.price_usd_low, node.price_usd_high) == (None, None, None)
    assert (node.nics, node.rack_units) == (8, 8)
    kept = parts.with_overrides(parts.node("dgx-h100"), {"gpu": "h200-sxm", "max_power_w": 1e4})
    assert (kept.gpu, kept.max_power_w, kept.idle_power_w) == ("h200-sxm", 1e4, None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"max_power": 1.0}, "a node has no 'max_power'; did you mean 'max_power_w'?"),
        ({"gpu": "h100"}, "unknown GPU 'h100'; did you mean 'h100-sxm'?"),
    ],
)
def test_overrides_are_checked(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(message)):
        parts.with_overrides(parts.node("dgx-h100"), overrides)


def test_a_nameless_node_needs_only_its_gpus() -> None:
    node = parts.NodeType(name="", gpus=8)
    assert (node.gpu, node.scale_up_domain, node.max_power_w) == (None, "node", None)


# ---- sources


def _resolvable_keys() -> list[str]:
    page = (REPOSITORY / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")
    return re.findall(r"^- \*\*\[([^\]]+)\]\*\* \S", page, flags=re.MULTILINE)


def test_every_source_of_the_catalog_resolves() -> None:
    known = _resolvable_keys()
    assert len(known) == len(set(known)), "a key stands twice in sources.md"
    for path in CATALOG.glob("*.yaml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        used = [key for basis in document["bases"].values() for key in basis["sources"]]
        for entry in document["parts"].values():
            used += re.findall(r"\[([^\]]+)\]", entry.get("notes", ""))
        assert set(used) <= set(known), f"{path.name}: {set(used) - set(known)}"


@pytest.mark.parametrize("kind", list(parts.PARTS))
def test_every_basis_is_used(kind: str) -> None:
    document = yaml.safe_load((CATALOG / f"{kind}.yaml").read_text(encoding="utf-8"))
    used = {basis for entry in document["parts"].values() for basis in entry["figures"]}
    assert used == set(document["bases"])


@pytest.mark.parametrize("kind", list(parts.PARTS))
def test_no_key_stands_twice(kind: str) -> None:
    """YAML would let the second of two equal keys win in silence."""

    def check(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), sorted(keys)
            for _, value in node.value:
                check(value)

    check(yaml.compose((CATALOG / f"{kind}.yaml").read_text(encoding="utf-8")))


# ---- broken files

BASES = "bases:\n  sheet: {sources: [from-memory], kind: datasheet, status: verified}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "gpus.yaml: not a catalog file"),
        ("bases: {}\n", "gpus.yaml: not a catalog file"),
        ("bases: {a: {sources: [x], kind: guess, status: verified}}\nparts: {}\n", "'guess'"),
        ("bases: {a: {sources: x, kind: measured, status: verified}}\nparts: {}\n", "a list"),
        ("bases: {a: {kind: measured, status: verified}}\nparts: {}\n", "needs sources"),
        ("x: {title: X, figures: {shet: {tdp: 1 W}}}", "x: unknown basis 'shet'; did you mean"),
        ("x: {title: X, figures: {sheet: {tpd: 1 W}}}", "x: unknown figure 'tpd'; did you mean"),
        ("x: {titel: X}", "x: unknown key 'titel'; did you mean 'title'"),
        ("x: {figures: {sheet: {tdp: 700}}}", "x: tdp: 700 has no unit"),
        ("x: {figures: {sheet: {tdp: 80 GB}}}", "x: tdp: '80 GB' is an amount of data"),
        ("x: {figures: {sheet: {launch_year: true}}}", "launch_year: expected a whole number"),
        ("x: {figures: {sheet: {memory_type: 3}}}", "memory_type: expected text, found 3"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "gpus.yaml"
    file.write_text(f"{BASES}parts:\n  {text}\n" if text.startswith("x:") else text)
    with pytest.raises(CatalogError, match=re.escape(message)):
        read_parts(file, parts.GpuType)


def test_a_figure_given_under_two_bases_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gpus.yaml"
    file.write_text(
        "bases:\n"
        "  a: {sources: [from-memory], kind: assumed, status: unverified}\n"
        "  b: {sources: [from-memory], kind: assumed, status: unverified}\n"
        "parts:\n  x: {figures: {a: {tdp: 1 W}, b: {tdp: 2 W}}}\n"
    )
    with pytest.raises(CatalogError, match=r"gpus.yaml x: tdp is given twice"):
        read_parts(file, parts.GpuType)
