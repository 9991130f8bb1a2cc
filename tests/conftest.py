"""What many tests share: a small scenario on disk, the commands, and a registry to spoil."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import settings
from typer.testing import CliRunner, Result

from twin import registry
from twin.cli import app

# The same examples in every clone: what passes here passes there. `HYPOTHESIS=search` looks for new
# ones, as often as one likes.
# No deadline: how long an example takes is the machine's mood, and no test of ours.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS", "repeatable"))

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "from twin.cli import main; main()"

# Six gang jobs on eight nodes of one GPU: by hand and in the literature's way of writing it.
SIX_JOBS = """\
job_id,submit_s,run_s,gpus,user
1,0,10,4,ann
2,0,6,3,bob
3,1,8,6,ann
4,2,4,2,cy
5,3,12,1,bob
6,4,2,3,ann
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Policies of one's own can be tested as the built-in ones are."""
    parser.addoption(
        "--plugin", action="append", default=[], help="Python file with policies of your own"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Known before the tests ask for all names there are."""
    for path in config.getoption("--plugin"):
        registry.load_plugin(Path(path))


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """Writes a scenario of few jobs, with the trace beside it; gives the scenario's path."""

    def write(
        jobs: str = SIX_JOBS,
        *,
        name: str = "small",
        scheduler: str = "fifo",
        horizon: str = "drained",
        nodes: int = 8,
        gpus: int = 1,
        more: str = "",
    ) -> Path:
        (tmp_path / f"{name}.csv").write_text(jobs, encoding="utf-8")
        path = tmp_path / f"{name}.yaml"
        text = f"""\
            name: {name}
            horizon: {horizon}
            site:
              pools:
                - {{name: main, node: {{gpus: {gpus}}}, nodes: {nodes}}}
            workload:
              trace: {{path: {name}.csv, format: generic}}
            policies: {{scheduler: {scheduler}}}
            """
        path.write_text(dedent(text) + more, encoding="utf-8")
        return path

    return write


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command in this process, in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python in a process of its own, in the test's own folder; a command if not told."""

    def start(*arguments: object, code: str = COMMAND, **settings: Any) -> subprocess.Popen[str]:
        here = {"PYTHONPATH": str(ROOT)} | settings.pop("env", {})
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
        line = [sys.executable, "-c", code, *(str(argument) for argument in arguments)]
        # In the background of a shell SIGINT is ignored, and children inherit that; users heed it.
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        child = subprocess.Popen(
            line, cwd=tmp_path, env=os.environ | here, preexec_fn=heed, **settings
        )
        return closing.enter_context(child)

    with ExitStack() as closing:
        yield start


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets at the end what plug-ins have entered into the registries."""
    for kind in registry.POLICY_KINDS.values():
        kind.names()  # fills it
        monkeypatch.setattr(kind, "_entries", dict(kind._entries))
