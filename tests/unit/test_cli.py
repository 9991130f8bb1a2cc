"""Every command as its user meets it: what it prints, where, and with which exit code."""

import json
import os
import re
import signal
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from conftest import COMMAND

from twin.results.store import Results
from twin.scenario.load import schema_json

SWEEP = """\
scenario: small.yaml
axes:
  - site.pools[main].nodes: [6, 8]
"""

CRASH = """\
from dataclasses import dataclass
from twin.policies.schedulers.fifo import Fifo
from twin.registry import policy

@policy("crash")
@dataclass(frozen=True, kw_only=True)
class Crash(Fifo):
    '''Breaks down at its first decision.'''

    def choose(self, queue, cluster):
        raise ZeroDivisionError("no idea")
"""


def good(result) -> str:
    """What a command that succeeded printed."""
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(result, exit_code: int = 2) -> str:
    """The message of a command that refused: one, on stderr, and nothing else anywhere."""
    assert result.exit_code == exit_code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.count("error: ") == 1
    return result.stderr.removeprefix("error: ").rstrip("\n")


# -- good cases


def test_run_leaves_a_result_and_says_what_came_out(cli, small):
    said = good(cli("run", small()))
    assert said.startswith("small: 6 jobs on 8 GPUs for 26 s (6 completed)\n")
    assert re.search(r"useful +63\.5 %", said)
    assert re.search(r"mean wait +7 s\n", said)
    assert said.endswith("report: out/small/report.html\n")
    assert len(said.splitlines()) <= 18
    assert Results("out/small").summary["wait_s"]["mean"] == 7
    assert Path("out/small/report.html").stat().st_size > 10_000


def test_run_takes_seed_settings_and_folder(cli, small):
    arguments = ("--seed", "7", "--set", "policies.scheduler=easy-backfill", "--set", "name=b")
    said = good(cli("run", small(), *arguments, "-o", "elsewhere", "--no-report"))
    assert said.endswith("results: elsewhere/b\n")
    summary = Results("elsewhere/b").summary
    assert (summary["seed"], summary["wait_s"]["mean"]) == (7, 4.5)
    assert not Path("elsewhere/b/report.html").exists()
    assert not Path("out").exists()


def test_run_prints_json_for_machines(cli, small):
    one, two = small(), small(name="two")
    summary = json.loads(good(cli("run", one, "--json", "--no-report")))
    assert summary == Results("out/small").summary
    summaries = json.loads(good(cli("run", one, two, "--json", "--no-report")))
    assert [each["scenario"] for each in summaries] == ["small", "two"]


def test_run_says_what_was_left_out(cli, small):
    jobs = "submit_s,run_s,gpus\n0,5,1\n0,x,1\n1,5,4\n100,5,1\n"
    path = small(jobs, nodes=1, gpus=8, horizon="50 s")
    settings = (
        "--set",
        "workload.trace.on_bad_row=skip",
        "--set",
        "workload.transforms=[max_gpus: 2]",
    )
    said = good(cli("run", path, *settings, "--no-report"))
    assert "small: 1 job on 8 GPUs for 50 s (1 completed)" in said
    assert "  1 job left out: submitted after the end\n" in said
    assert "  1 bad row of the trace left out\n" in said
    assert "  1 job left out: max_gpus\n" in said


def test_run_says_why_jobs_were_rejected(cli, small):
    path = small(
        "submit_s,run_s,gpus,gpu_types\n0,5,99,\n0,5,1,h100-sxn\n0,5,1,\n", nodes=1, gpus=8
    )
    said = good(cli("run", path, "--no-report"))
    assert "(1 completed, 2 rejected)" in said
    assert "  2 jobs rejected: larger than any one pool, or of a pool or GPU type" in said
    assert "rejected" not in good(cli("run", small(), "--no-report"))


def test_a_progress_bar_would_spoil_a_pipe(cli, small, process):
    """Nothing but the result on stdout and nothing at all on stderr, in a process too."""
    child = process("run", small(), "--no-report")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert out.splitlines()[0] == "small: 6 jobs on 8 GPUs for 26 s (6 completed)"
    assert "\x1b" not in out


def test_validate(cli, small, tmp_path):
    path, sweep = small(), tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP)
    assert good(cli("validate", path, sweep)) == f"{path}: ok\n{sweep}: ok, 2 points\n"
    assert json.loads(good(cli("validate", path, "--json"))) == []


def test_show(cli, small):
    said = good(cli("show", small(), "--set", "site.pools[main].nodes=1000"))
    assert said.startswith("Site\n----\nsite: 1,000 nodes, 1,000 GPUs\n")
    assert "not known; name a switch and a node type with NICs" in said


def test_show_knows_what_the_catalog_knows(cli, small):
    said = good(cli("show", small(), "--set", "site.pools[main].node=dgx-h100"))
    assert "81.6 kW" in said  # 8 nodes of 10.2 kW
    assert "one switch of 64-port quantum-2-qm9700" in said
    assert re.search(r"dgx-h100 \(8 x h100-sxm\) +8  250 to 400 kUSD", said)


def test_show_of_halls_that_no_rack_is_left_for(cli, small):
    settings = (
        "--set",
        "site.pools[main].halls=[a, b]",
        "--set",
        "site.pools[main].nodes_per_rack=8",
    )
    assert "hall b: no nodes" in good(cli("show", small(), *settings))


def test_show_of_a_network_beyond_three_tiers_says_so(cli, small):
    settings = ("--set", "site.pools[main].node=dgx-h100", "--set", "site.pools[main].nodes=1e4")
    said = good(cli("show", small(), *settings))
    assert "three tiers of 64-port switches join 65,536 ports, not 80,000" in said


def test_compare(cli, small):
    a, b = small(), small(name="b", scheduler="easy-backfill")
    said = good(cli("compare", a, b))
    assert re.search(r"mean wait +7 s +4\.5 s +-35\.7 %", said)
    assert said.endswith("report: out/compare/report.html\n")
    both = json.loads(good(cli("compare", "out/compare/small", "out/compare/b", "--json")))
    assert {name: each["makespan_s"] for name, each in both.items()} == {"small": 26, "b": 20}


def test_sweep(cli, small):
    small()
    Path("sweep.yaml").write_text(SWEEP)
    said = good(cli("sweep", "sweep.yaml", "--workers", 1))
    assert said.startswith("sweep: 2 of 2 points ran\n")
    assert said.endswith("report: out/sweep/report.html\n")


def test_report_is_drawn_again(cli, small):
    good(cli("run", small()))
    page = Path("out/small/report.html")
    before = page.read_bytes()
    page.unlink()
    assert good(cli("report", "out/small")) == "report: out/small/report.html\n"
    assert page.read_bytes() == before


def test_replay_takes_the_cluster_and_leaves_its_workload(cli, small):
    """Format, columns, transforms, start and horizon are about another trace."""
    on = small(horizon="1 s", scheduler="easy-backfill")
    text = on.read_text().replace("format: generic", "format: generic, columns: {gpus: gpus}")
    on.write_text(text.replace("workload:\n", "workload:\n  transforms: [{max_gpus: 1}]\n"))
    Path("my jobs.v2.csv").write_text("id,at,took,size\n1,0,10,4\n2,5,10,8\n")
    columns = ("submit_s=at", "run_s=took", "gpus=size", "job_id=id")
    options = [text for pair in columns for text in ("--column", pair)]
    said = good(cli("replay", "my jobs.v2.csv", "--on", on, *options))
    assert said.startswith("my-jobs: 2 jobs on 8 GPUs for 20 s (2 completed)\n")
    results = Results("out/my-jobs")
    assert "easy-backfill" in results.scenario_yaml
    assert yaml.safe_load(results.scenario_yaml)["workload"]["transforms"] == []


def test_replay_of_a_synthetic_scenario_and_settings_that_come_last(cli, tmp_path):
    scenario = tmp_path / "first.yaml"
    scenario.write_text(
        "name: first\nstart: 2026-01-05\nsite: {pools: [{name: p, node: {gpus: 8}, nodes: 2}]}\n"
        "workload: {synthetic: {jobs: 5}}\n"
    )
    Path("jobs.csv").write_text("submit_s,run_s,gpus\n0,10,4\n")
    arguments = ("--format", "generic", "--set", "name=mine", "--seed", 3, "--json")
    summary = json.loads(good(cli("replay", "jobs.csv", "--on", scenario, *arguments)))
    assert (summary["scenario"], summary["seed"], summary["horizon_s"]) == ("mine", 3, 10.0)


def test_schema(cli):
    assert json.loads(good(cli("schema"))) == schema_json()


def test_catalog(cli):
    kinds = [line.split()[0] for line in good(cli("catalog")).splitlines()]
    assert {"gpus", "nodes", "switches", "schedulers", "placements", "traces"} <= set(kinds)
    for kind in kinds:
        first = good(cli("catalog", kind)).split()[0]
        assert good(cli("catalog", kind, first))
    assert re.search(r"tdp +700 W +datasheet", good(cli("catalog", "gpus", "h100-sxm")))


def test_init_writes_a_scenario_that_runs(cli):
    assert "twin run new/scenario.yaml" in good(cli("init", "new"))
    good(cli("validate", "new/scenario.yaml"))
    short = ("--set", "workload.synthetic.duration=1 day", "--set", "horizon=2 days")
    said = good(cli("run", "new/scenario.yaml", "--no-report", *short))
    assert said.startswith("starter: ")


def test_the_starter_names_only_keys_that_exist():
    """What is commented out as well: each such line is YAML, and its keys are in the schema."""
    known = set(re.findall(r'"(\w+)": ', json.dumps(schema_json())))
    text = (files("twin.scenario") / "starter.yaml").read_text("utf-8")
    lines = [line.strip().lstrip("#- ") for line in text.splitlines() if "# " in line]
    keyed = [line for line in lines if re.match(r"[a-z_]+: \S", line)]
    assert len(keyed) > 15
    for line in keyed:
        read = yaml.safe_load(line)
        assert set(read) <= known, line


def test_trace_info(cli, small, tmp_path):
    small()
    said = good(cli("trace", "info", "small.csv", "--plot", "jobs.png"))
    assert said.startswith("small.csv (generic)\n")
    assert said.endswith("plot: jobs.png\n")
    assert Path("jobs.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(good(cli("trace", "info", "small.csv", "--json")))["jobs"] == 6


def test_version_and_help(cli):
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", good(cli("--version")))
    for command in ("run", "validate", "show", "compare", "sweep", "report", "replay", "init"):
        assert f"twin {command}" in good(cli(command, "-h")), "an example"
    assert "twin trace info" in good(cli("trace", "info", "--help"))


# -- bad input


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "smal.yaml"], "smal.yaml: no such file; did you mean 'small.yaml'?"),
        (["run", "."], r"\.: is a folder; give a file in it"),
        (["run", "small.csv"], "small.csv:1:1.* expected a mapping with the keys"),
        (["run", "broken.yaml"], r"broken.yaml:2:\d+"),
        (["run", "small.yaml", "--set", "name"], "--set: 'name' has no =; write path.to.key=value"),
        (["run", "small.yaml", "--set", "site.pool=1"], "did you mean 'pools'"),
        (["run", "small.yaml", "--set", "policies.scheduler=fif"], "did you mean 'fifo'"),
        (["run", "small.yaml", "--seed", "-1"], "seed: must be 0 or above"),
        (["run", "small.yaml", "--set", "workload.trace.format=sw"], "did you mean 'swf'"),
        (["run", "small.yaml", "--set", "workload.trace.path=no.csv"], "no such file; looked for"),
        (
            ["run", "small.yaml", "--set", "workload.trace.path=bad.csv"],
            "bad.csv:3: a negative duration",
        ),
        (["run", "small.yaml", "--set", "workload.estimates=trace"], "6 of 6 jobs in small.csv"),
        (
            ["run", "small.yaml", "--set", "output.timeline_bin=1 us"],
            "into more than 1,000,000 bins",
        ),
        (["run", "small.yaml", "small.yaml"], "two of the scenarios are named 'small'"),
        (["run", "small.yaml", "--plugin", "no.py"], "plug-in no.py: no such file"),
        (
            ["run", "small.yaml", "--plugin", "broken.yaml"],
            "plug-in broken.yaml: not a Python file",
        ),
        (["run", "small.yaml", "--plugin", "bad.py"], "plug-in bad.py: NameError"),
        (["validate", "sweep.yaml", "--set", "seed=1"], "is a sweep; --set is for scenarios"),
        (["show", "no.yaml"], "no.yaml: no such file"),
        (["compare", "small.yaml"], "compare needs two or more"),
        (["compare", "small.yaml", "no"], "no: no such file"),
        (["compare", "small.yaml", "small.yaml"], "two of the scenarios are named 'small'"),
        (["compare", "small.yaml", "."], "is not a complete run directory"),
        (["sweep", "no.yaml"], "no.yaml: no such file"),
        (["sweep", "small.yaml"], "small.yaml:2:1 horizon: unknown key 'horizon'"),
        (["report", "no"], "no is no run directory"),
        (["report", "."], r"\. is not a complete run directory"),
        (["replay", "no.csv", "--on", "small.yaml"], "no.csv: no such file"),
        (["replay", "small.csv", "--on", "no.yaml"], "no.yaml: no such file"),
        (
            ["replay", "small.csv", "--on", "small.yaml", "--format", "x"],
            "unknown trace format 'x'",
        ),
        (["replay", "small.csv", "--on", "small.yaml", "--column", "x"], "--column: 'x' has no ="),
        (["replay", "small.yaml", "--on", "small.yaml"], "cannot tell its format"),
        (["catalog", "gpu"], "unknown kind 'gpu'; did you mean 'gpus'"),
        (["catalog", "gpus", "h100"], "unknown GPU 'h100'; did you mean"),
        (["catalog", "schedulers", "fif"], "unknown scheduler 'fif'; did you mean 'fifo'"),
        (["init", "full"], "full/scenario.yaml is there already"),
        (["trace", "info", "no.csv"], "no.csv: no such file"),
        (["trace", "info", "bad.csv"], "bad.csv:3: a negative duration"),
        (["trace", "info", "small.csv", "--format", "x"], "unknown format 'x'"),
        (["trace", "info", "small.csv", "--on-bad-row", "x"], "'x' is neither error nor skip"),
        (["trace", "info", "small.csv", "--column", "gpus"], "--column: 'gpus' has no ="),
    ],
)
def test_bad_input_is_one_message(cli, small, plugins, arguments, said):
    small()
    Path("broken.yaml").write_text("name: x\n  site: [\n")
    Path("sweep.yaml").write_text(SWEEP)
    Path("bad.csv").write_text("submit_s,run_s,gpus\n0,1,1\n1,-1,1\n")
    Path("bad.py").write_text("no_such_name")
    Path("full").mkdir()
    Path("full/scenario.yaml").touch()
    before = sorted(Path().rglob("*"))
    assert re.search(said, refused(cli(*arguments)))
    after = [path for path in sorted(Path().rglob("*")) if path.name != "__pycache__"]
    assert [path for path in after if path not in before] in ([], [Path("out")])


@pytest.mark.parametrize(
    "arguments", [["run"], ["nonsense"], ["run", "--nonsense", "x"], ["sweep", "x", "--workers", 0]]
)
def test_a_wrong_command_line_is_bad_input(cli, arguments):
    result = cli(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: " in result.stderr and "Traceback" not in result.stderr


def test_validate_reports_every_problem_of_every_file(cli, small, tmp_path):
    path = small()
    bad = tmp_path / "bad.yaml"
    bad.write_text(path.read_text().replace("scheduler: fifo", "schedule: fifo") + "horizn: 1 d\n")
    worse = tmp_path / "worse.yaml"
    worse.write_text("name: x\nsite: {pools: [{name: p, node: dgx-h10, nodes: 0}]}\n")
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP.replace("small.yaml", "worse.yaml"))
    result = cli("validate", bad, path, worse, sweep)
    assert (result.exit_code, result.stdout) == (2, f"{path}: ok\n")
    problems = result.stderr.splitlines()
    assert [line.split(" ")[1].rpartition("/")[2] for line in problems if "error: " in line] == [
        *("bad.yaml:8:12", "bad.yaml:9:1", "worse.yaml:1:1", "worse.yaml:2:26", "worse.yaml:2:41"),
        "sweep.yaml:",
    ]
    result = cli("validate", bad, worse, "--json")
    assert result.exit_code == 2
    listed = json.loads(result.stdout)
    assert [(p["line"], p["path"]) for p in listed[:2]] == [
        (8, "policies.schedule"),
        (9, "horizn"),
    ]


# -- failures that are nobody's input


def test_a_run_that_cannot_be_written_failed(cli, small):
    path = small()
    Path("file").touch()
    assert "file is a file" in refused(cli("run", path, "-o", "file"), 1)
    assert "file is a file" in refused(cli("compare", path, small(name="b"), "-o", "file"), 1)
    Path("sweep.yaml").write_text(SWEEP)
    assert "file is a file" in refused(cli("sweep", "sweep.yaml", "-o", "file"), 1)
    assert "file is a file" in refused(cli("init", "file"), 1)


def test_finished_runs_are_compared_where_nothing_can_be_written(cli, small):
    good(cli("run", small(), "--no-report"))
    Path("file").touch()
    assert "file is a file" in refused(cli("compare", *["out/small"] * 2, "-o", "file/x"), 1)


def test_a_plug_in_that_breaks_down_is_told_without_a_traceback(cli, small, plugins):
    Path("crash.py").write_text(CRASH)
    arguments = ("run", small(), "--plugin", "crash.py", "--set", "policies.scheduler=crash")
    said = refused(cli(*arguments), 2)
    assert said.startswith("Crash raised ZeroDivisionError: no idea, at 0 s; run with --debug")
    assert list(Path("out").iterdir()) == []
    result = cli("--debug", *arguments)
    assert isinstance(result.exception.__cause__, ZeroDivisionError)


def test_plug_ins_are_known_to_every_command_that_reads_a_scenario(cli, small, plugins):
    Path("crash.py").write_text(CRASH)
    path = small(scheduler="crash")
    assert "unknown scheduler 'crash'" in refused(cli("validate", path))
    good(cli("validate", path, "--plugin", "crash.py"))
    good(cli("show", path, "--plugin", "crash.py"))
    assert "Breaks down" in good(cli("catalog", "schedulers", "crash", "--plugin", "crash.py"))


def test_out_of_memory_says_so(cli, small, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("twin.build.build", exhausted)
    assert "out of memory; try" in refused(cli("run", small()), 1)


# -- the process


def test_help_and_version_import_nothing_heavy(process):
    code = (
        "import sys\nfrom twin.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'pydantic', 'scipy', 'pyarrow', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    out, err = process("--help", code=code).communicate(timeout=60)
    assert "Usage: twin [OPTIONS] COMMAND" in out
    assert err == "[]\n"


def test_a_reader_that_goes_away_is_no_error(process):
    child = process("schema")
    child.stdout.read(10)
    child.stdout.close()
    said = child.stderr.read()
    assert child.wait(timeout=60) in (0, 141)  # 0: it had fitted into the pipe
    assert said == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["schema"], ["--help"]])
def test_output_to_a_full_disk_fails_with_a_message(process, arguments):
    with Path("/dev/full").open("w") as full:
        child = process(*arguments, stdout=full)
        said = child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert "error: [Errno 28] No space left on device" in said
    assert "Traceback" not in said


def test_a_terminal_without_box_drawing_is_no_error(process, small):
    child = process("show", small(), env={"PYTHONIOENCODING": "latin-1"})
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert "??? hall hall-1" in out


HANG = """
import sys, time
from twin.results import store

def hang(*_):
    print("writing", file=sys.stderr, flush=True)
    time.sleep(60)

store.write_json = hang
"""


def test_interrupted_it_says_so_and_leaves_nothing(process, small, tmp_path):
    child = process("run", small(), code=f"{HANG}{COMMAND}")
    assert child.stderr.readline() == "writing\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert err == "stopped; nothing was left half written\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_sweep_interrupted_from_the_keyboard_leaves_nothing_half_written(
    process, small, tmp_path
):
    """Ctrl-C reaches the workers too; they leave it to the parent."""
    small()
    (tmp_path / "hang.py").write_text(HANG)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    child = process(
        *("sweep", "sweep.yaml", "--workers", 2, "--plugin", "hang.py"), start_new_session=True
    )
    assert [child.stderr.readline() for _ in range(2)] == ["writing\n"] * 2
    assert os.getpgid(child.pid) == child.pid != os.getpgrp()  # a group of its own
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert err == "stopped; nothing was left half written\n"
    assert list((tmp_path / "out/sweep/runs").iterdir()) == []
