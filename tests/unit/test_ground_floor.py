"""Streams, registry, errors, and the one direction of imports."""

import ast
import subprocess
import sys
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

import twin
from twin.errors import PolicyError, Problem, ScenarioError, did_you_mean
from twin.registry import SCHEDULERS, load_plugin, make_policy
from twin.streams import stream

PACKAGE = Path(twin.__file__).parent

# From the ground up; a package imports only from what stands before it. Files alone are by stem.
FLOORS = [
    "version",
    "errors",
    "units",
    "streams",
    "distributions",
    "registry",
    "options",
    "tables",
    "physics",
    "catalog",
    "scenario",
    "site",
    "failures",
    "facility",
    "workload",
    "policies",
    "kernel",
    "results",
    "metrics",
    "export",
    "report",
    "assumptions",
    "building",
    "build",
    "console",
    "show_power",
    "show",
    "listing",
    "run",
    "compare",
    "sweep",
    "cli",
]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twin"):
            names = (
                [node.module] if node.module != "twin" else [f"twin.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.startswith("twin.")]
        else:
            continue
        yield from (name.split(".")[1] for name in names)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.name))
def test_imports_point_one_way(path):
    floor = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if floor == "__init__":
        return
    for other in imports_of(path):
        assert FLOORS.index(other) <= FLOORS.index(floor), f"{path} imports twin.{other}"
    if floor in ("metrics", "export", "report"):  # they read run directories, never the kernel
        assert not {"kernel", "building", "build"} & set(imports_of(path))


@pytest.mark.parametrize("name", ["simulate", "arrivals", "failures/gpu"])
def test_streams_are_the_same_in_every_process(name):
    code = f"from twin.streams import stream; print(stream(7, {name!r}).random())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(out.stdout) == stream(7, name).random()


def test_streams_of_different_causes_and_seeds_differ():
    draws = [stream(s, n).random() for s in (1, 2) for n in ("arrivals", "sizes")]
    assert len(set(draws)) == 4


def test_unknown_policy_and_option():
    with pytest.raises(PolicyError, match=r"unknown scheduler 'fifoo'; did you mean 'fifo'\?"):
        SCHEDULERS.get("fifoo")
    with pytest.raises(PolicyError, match="fifo has no option 'depth'"):
        make_policy("schedulers", "fifo", {"depth": 3})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("multifactor", {"age_weight": nan}),
        ("multifactor", {"qos": {"high": inf}}),
        ("tiresias", {"thresholds_gpu_h": [1.0, nan]}),
    ],
)
def test_options_are_finite(name, options):
    with pytest.raises(PolicyError, match="write a finite one"):
        make_policy("schedulers", name, options)


PLUGIN = '''
from dataclasses import dataclass
from twin.policies.base import Scheduler
from twin.registry import policy

@policy("{name}")
@dataclass(frozen=True, kw_only=True)
class ShortestFirst(Scheduler):
    """The shortest job that fits."""
    patience: int = 3

    def choose(self, queue, cluster):
        for job in sorted(queue, key=lambda job: job.estimate_s):
            if cluster.fits(job.shape):
                yield job
'''


def test_plugin_enters_the_registry_and_its_options_are_checked(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.format(name="shortest-test"))
    load_plugin(file)
    try:
        made = make_policy("schedulers", "shortest-test", {"patience": 5})
        assert made.patience == 5
        with pytest.raises(PolicyError, match=r"shortest-test.patience: .* found 'five'"):
            make_policy("schedulers", "shortest-test", {"patience": "five"})
    finally:
        del SCHEDULERS._entries["shortest-test"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1/0", "ZeroDivisionError"),
        ("def broken(", "SyntaxError"),
        (PLUGIN.format(name="fifo"), "the scheduler name 'fifo' is already taken"),
        (
            "from twin.registry import policy\n@policy('x')\nclass X: pass",
            "must derive from a base of twin.policies.base",
        ),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("from twin.registry import policy\n@policy\nclass X: pass", "a policy needs a name"),
        (
            "from twin.policies.base import Scheduler\nfrom twin.registry import policy\n"
            "@policy('idle-test')\nclass Idle(Scheduler): pass",
            r"policy 'idle-test' \(Idle\) must define choose",
        ),
    ],
)
def test_broken_plugins_are_refused(tmp_path, code, words):
    file = tmp_path / "broken.py"
    file.write_text(code)
    with pytest.raises(PolicyError, match=words) as raised:
        load_plugin(file)
    assert str(raised.value).startswith(f"plug-in {file}: ")
    with pytest.raises(PolicyError, match="no such file"):
        load_plugin(tmp_path / "absent.py")


def test_a_name_clash_is_told_of_the_plugin_though_nothing_was_asked_for_before(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN.format(name="fifo"))
    code = "import sys; from pathlib import Path; from twin.registry import load_plugin; "
    code += "load_plugin(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "mine.py")]
    out = subprocess.run(command, capture_output=True, text=True)
    assert "already taken by twin.policies.schedulers.fifo.Fifo; give yours another" in out.stderr


def test_files_of_one_name_in_two_folders_are_two_plugins(tmp_path):
    files = [tmp_path / folder / "same.py" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text(PLUGIN.format(name="same-test"))
    load_plugin(files[0])
    try:
        load_plugin(files[0])
        with pytest.raises(PolicyError, match="'same-test' is already taken"):
            load_plugin(files[1])
    finally:
        del SCHEDULERS._entries["same-test"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "a: int = 1\n    def __post_init__(self): raise ValueError('odd')",
            "unmade-test: ShortestFirst cannot be made: ValueError: odd",
        ),
        ("a: 'Nothing' = 1", "the type of an option is unknown: name 'Nothing' is not defined"),
    ],
)
def test_a_policy_that_cannot_be_made_is_one_message(tmp_path, body, words):
    file = tmp_path / "unmade.py"
    file.write_text(PLUGIN.format(name="unmade-test").replace("patience: int = 3", body))
    load_plugin(file)
    try:
        with pytest.raises(PolicyError, match=words):
            make_policy("schedulers", "unmade-test", {})
    finally:
        del SCHEDULERS._entries["unmade-test"]


def test_problems_say_where_and_all_at_once():
    problems = [
        Problem("unknown key 'nodez'", "site.pools[0].nodez", "a.yaml", 7, 5),
        Problem("missing", "workload"),
    ]
    text = str(ScenarioError(problems))
    assert text == "a.yaml:7:5 site.pools[0].nodez: unknown key 'nodez'\nworkload: missing"


def test_nearest_name():
    assert did_you_mean("dgx-h10", ["dgx-h100", "l40s-8"]).startswith("did you mean 'dgx-h100'?")
    assert did_you_mean("zzz", []) == "None are known"
    assert np.all([len(did_you_mean("a", [str(i) for i in range(1000)])) < 100])
