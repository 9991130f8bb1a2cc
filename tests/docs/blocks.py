"""The code blocks of a Markdown page: found, run in a folder of their own, compared with the page.

- ``console``: each line after ``$`` is run by bash; the lines below it are what it prints. ``...``
  stands for any text within a line, and alone on a line for any lines. A command may fail only if
  the page shows its ``error:``.
- any language with ``file=NAME``: written to that file. YAML must be a scenario or a sweep, unless
  it says ``plugin=NAME``, which only a command can load; with ``format=NAME`` it is a trace, which
  must be told as of that format and be read.
- ``python``: run, all blocks of a page in one namespace. A ``text`` block right below is what one
  prints.
- ``yaml``: part of a scenario, which must hold over scenarios/first.yaml.

``python tests/docs/blocks.py`` runs all pages and writes what is printed now into them.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), *ROOT.glob("README.md")]

_FENCE = re.compile(r"^```(\w*)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A reader's own affairs, which no test should do: getting the program, and the environment.
_NOT_RUN = re.compile(r"(make|git|cd|pip|python3? -m venv|source|open|xdg-open|pytest)\b|\. ")
_NEEDS_SHARED = re.compile(r"\.\./shared|scenarios/philly")
_TOOL = "import sys; sys.argv[0] = 'twin'; from twin.cli import main; main()"
_VARIES = re.compile(r"events in .*")


@dataclass(frozen=True)
class Block:
    """One fenced block; ``start`` is where its text begins in the page."""

    language: str
    options: dict[str, str]
    text: str
    start: int
    line: int


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found = []
    for match in _FENCE.finditer(page):
        options = dict(o.split("=", 1) for o in shlex.split(match[2]) if "=" in o)
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], options, match[3], match.start(3), line))
    return found


@dataclass
class Session:
    """A reader who follows one page from top to bottom, in ``folder``."""

    folder: Path
    wrong: list[str] = field(default_factory=list)  # what is not as the page says
    printed: dict[int, str] = field(default_factory=dict)  # start of a block -> its text now

    def __post_init__(self) -> None:
        shutil.copytree(ROOT / "scenarios", self.folder / "scenarios")
        if SHARED.is_dir():
            (self.folder.parent / "shared").symlink_to(SHARED)
        tool = self.folder.parent / "bin" / "twin"
        tool.parent.mkdir()
        call = f'{shlex.quote(sys.executable)} -c {shlex.quote(_TOOL)} "$@"'
        tool.write_text(f"#!/bin/sh\nexec {call}\n")
        tool.chmod(0o755)
        self._env = os.environ | {
            "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "100",
        }

    def follow(self, page: str) -> None:
        """Do what the page says."""
        with _own_policies():
            self._follow(page)

    def _follow(self, page: str) -> None:
        names: dict[str, object] = {"__name__": "__main__"}
        following = blocks(page)
        for block, below in zip_longest(following, following[1:]):
            if block.language == "console":
                self._console(block)
            elif "file" in block.options:
                path = self.folder / block.options["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
                if "format" in block.options:
                    self._trace(path, block)
                if block.language == "yaml" and "plugin" not in block.options:
                    self._loads(path, block)
            elif block.language == "python":
                self._python(block, below, names)
            elif block.language == "yaml":
                self._fragment(block)

    def _console(self, block: Block) -> None:
        now = []
        for command, expected in _commands(block.text):
            now.append(f"$ {command}")
            if _NOT_RUN.match(command) or (_NEEDS_SHARED.search(command) and not SHARED.is_dir()):
                now += expected
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self._env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                timeout=120,
                check=False,
            )
            printed = [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]
            may_fail = any(line.startswith("error:") for line in expected)
            if (done.returncode != 0) != may_fail:
                self.wrong.append(
                    f"line {block.line}: `{command}` ended with {done.returncode}\n{done.stdout}"
                )
            now += self._compared(block, command, expected, printed) if expected else []
        self.printed[block.start] = "\n".join(now) + "\n"

    def _python(self, block: Block, below: Block | None, names: dict[str, object]) -> None:
        code = compile("\n" * block.line + block.text, "page", "exec")
        out = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out):
            exec(code, names)
        if below is not None and below.language == "text" and not below.options:
            expected = below.text.rstrip("\n").split("\n")
            printed = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
            kept = self._compared(below, "the block above", expected, printed)
            self.printed[below.start] = "\n".join(kept) + "\n"

    def _compared(
        self, block: Block, command: str, expected: list[str], printed: list[str]
    ) -> list[str]:
        """What the page should show; a line for `wrong` if that is not what it shows."""
        if re.fullmatch(_pattern(expected), "\n".join(printed) + "\n"):
            return expected
        said = "\n".join(printed)
        self.wrong.append(f"line {block.line}: `{command}` prints something else:\n{said}")
        return [_VARIES.sub("events in ...", line) for line in printed]

    def _trace(self, path: Path, block: Block) -> None:
        from twin.workload.traces.base import read_trace

        intake = read_trace(path).intake
        if intake.format != block.options["format"]:
            self.wrong.append(f"line {block.line}: taken for a trace of format {intake.format}")

    def _fragment(self, block: Block) -> None:
        path = self.folder / "fragment.yaml"
        first = "" if "extends:" in block.text else "extends: scenarios/first.yaml\n"
        path.write_text(first + block.text, encoding="utf-8")
        self._loads(path, block)

    def _loads(self, path: Path, block: Block) -> None:
        from twin.errors import InputError
        from twin.run import load
        from twin.sweep import plan

        try:
            with contextlib.chdir(self.folder):
                if re.search("^axes:", block.text, re.MULTILINE):
                    plan(path)
                else:
                    load(path)
        except InputError as error:
            self.wrong.append(f"line {block.line}: refused: {error}")


@contextlib.contextmanager
def _own_policies() -> Iterator[None]:
    """What a page loads by `load_plugin` is known to that page only."""
    from twin.registry import POLICY_KINDS

    before = {kind: set(registry.names()) for kind, registry in POLICY_KINDS.items()}
    try:
        yield
    finally:
        for kind, registry in POLICY_KINDS.items():
            for name in set(registry.names()) - before[kind]:
                del registry._entries[name]


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block with the lines that it prints."""
    command, printed = "", []
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line.removeprefix("$ "), []
        elif command.endswith("\\"):
            command += f"\n{line}"
        else:
            printed.append(line)
    yield command, printed


def _pattern(lines: list[str]) -> str:
    return "".join(
        "(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in lines
    )


@contextlib.contextmanager
def session() -> Iterator[Session]:
    """A session in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="twin-docs-") as above:
        folder = Path(above) / "twin"
        folder.mkdir()
        yield Session(folder)


def main(names: list[str]) -> None:
    """Write what commands print now into the pages, all or those named."""
    for path in [p for p in PAGES if not names or p.name in names]:
        page = path.read_text(encoding="utf-8")
        with session() as reader:
            reader.follow(page)
            for message in reader.wrong:
                sys.stderr.write(f"{path.relative_to(ROOT)}: {message}\n")
            for start, now in sorted(reader.printed.items(), reverse=True):
                end = page.index("```", start)
                page = page[:start] + now + page[end:]
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
