"""YAML trees: what scalars mean, where values stand, and what hostile files run into."""

import math
from pathlib import Path

import pytest

from twin.errors import ScenarioError
from twin.scenario import yaml_tree
from twin.scenario.files import MAX_BYTES, find, read_text
from twin.scenario.yaml_tree import core_scalar, parse


def message_of(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("12:30:00", "12:30:00"),
        ("2017-10-01", "2017-10-01"),
        ("2017-10-01T10:00", "2017-10-01T10:00"),
        ("1e5", 1e5),
        ("-.5", -0.5),
        ("+7", 7),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("~", None),
        ("", None),
        ("null", None),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("0b11", "0b11"),
        ("e5", "e5"),
        (".", "."),
    ],
)
def test_scalars_mean_what_the_core_schema_of_yaml_1_2_says(text, value):
    assert core_scalar(text) == value
    assert type(core_scalar(text)) is type(value)


def test_quoted_scalars_are_text():
    assert parse("{a: '1', b: \"true\", c: 1}", "x").plain() == {"a": "1", "b": "true", "c": 1}


def test_keys_are_text_whatever_they_look_like():
    assert parse("{8: 1, true: 2, no: 3}", "x").plain() == {"8": 1, "true": 2, "no": 3}


def test_a_place_is_that_of_the_key_or_of_the_item():
    tree = parse("a:\n  b:\n    - x\n    - {c: 1}\n", "f.yaml")
    b = tree.value["a"].value["b"]
    assert (b.place.line, b.place.column) == (2, 3)
    assert (b.value[0].place.line, b.value[0].place.column) == (3, 7)
    assert (b.value[1].value["c"].place.line, b.value[1].value["c"].place.column) == (4, 8)


def test_an_alias_stands_where_it_is_used():
    tree = parse("a: &x {k: 1}\nb: *x\n", "f")
    assert tree.plain() == {"a": {"k": 1}, "b": {"k": 1}}
    assert tree.value["b"].place.line == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: key 'a' is given twice; the first is on line 1"),
        ("a: !!python/object/apply:os.system [ls]", "x.yaml:1:4: tag '!!python/object/apply:os"),
        ("a: !mine 3", "x.yaml:1:4: tag '!mine' is not allowed"),
        ("a: 1\n\tb: 2", "x.yaml:2:1: tabs cannot indent YAML; use spaces"),
        ("\ta: 1", "x.yaml:1:1: tabs cannot indent YAML"),
        ("a: b: c", "x.yaml:1:5: a colon and space inside a value; put the value in quotes"),
        ("a: @x", "x.yaml:1:4: a value cannot begin with '@'; put it in quotes"),
        ("a: 'x", "x.yaml:1:4: the quote that opens here is never closed"),
        ("a: [1, 2", "x.yaml:1:4: the [ here is never closed, or a comma is missing"),
        ("a: {b: 1\nc: 2", "x.yaml:1:4: the { here is never closed, or a comma is missing"),
        ("a:\n  b: 1\n c: 2", "x.yaml:3:2: not YAML: while parsing a block mapping: did not find"),
        ("a: *x", "x.yaml:1:4: nothing above is marked &x"),
        ("a: &x [*x]", "x.yaml:1:8: *x stands for itself"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: a second document begins here"),
        ("? [a]\n: b", "x.yaml:1:3: a key must be plain text"),
        ("b: &b {x: 1}\na:\n  <<: *b", "x.yaml:3:3: merge keys are not YAML 1.2; use extends"),
        ("", "x.yaml:1:1: is empty"),
        ("# only a comment\n", "x.yaml:1:1: is empty"),
        ("a: \x07", "x.yaml:1:4: character '\\x07' cannot stand in a text file"),
        (f"a: {'1' * 5000}", "x.yaml:1:4: a number of 5,000 digits"),
    ],
)
def test_what_is_refused_says_where_and_what_would_do(text, expected):
    assert message_of(text).startswith(expected)


def test_several_faults_of_one_file_are_told_together():
    lines = message_of("a: 1\na: 2\nb: !x 1\n").splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "3"]


def test_an_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "too much for one file, counting what its aliases stand for" in message_of(
        "\n".join(lines)
    )


def test_a_long_text_repeated_by_aliases_is_refused():
    text = f"a: &a {'x' * 90_000}\nb: [{', '.join(['*a'] * 1000)}]"
    assert "too much for one file" in message_of(text)


def test_modest_use_of_aliases_is_fine():
    text = f"a: &a {{k: [1, 2, 3]}}\nb: [{', '.join(['*a'] * 1000)}]"
    assert len(parse(text, "x").plain()["b"]) == 1000


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 20_000, "- " * 40_000])
def test_deep_nesting_is_refused_at_once(text):
    assert "nested deeper than 50 levels" in message_of(text)


def test_aliases_cannot_nest_deeper_than_the_limit():
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 60)]
    assert "nested deeper than 50 levels" in message_of("\n".join(lines))


def test_an_endless_line_is_refused():
    text = "a: " + "x" * yaml_tree.MAX_LINE_CHARS
    assert message_of(text) == "x.yaml:1:1: a line of 100,003 characters; at most 100,000 are read"


def test_many_values_are_refused_before_memory_runs_out():
    assert "too much for one file" in message_of("\n".join(["- 1"] * 300_000))


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_text(path)
    return str(caught.value)


def test_a_missing_file_names_the_nearest_one(tmp_path):
    (tmp_path / "first.yaml").write_text("a: 1")
    (tmp_path / "notes.txt").write_text("a: 1")
    said = refusal(tmp_path / "frist.yaml")
    assert said.endswith("no such file; did you mean 'first.yaml'? There: first.yaml")


def test_a_missing_folder_is_told(tmp_path):
    assert "there is no folder" in refusal(tmp_path / "none" / "x.yaml")


def test_a_folder_is_no_scenario(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1")
    assert "is a folder; give a file in it. There: a.yaml" in refusal(tmp_path)


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\x7fELF\x00\x01\x02")
    assert refusal(path).endswith("x.yaml: is a binary file; a scenario is YAML text")


@pytest.mark.parametrize("data", [b"name: caf\xe9\n", "name: x".encode("utf-16")[:-1]])
def test_other_encodings_are_refused(tmp_path, data):
    path = tmp_path / "x.yaml"
    path.write_bytes(data)
    assert "UTF-8" in refusal(path) or "binary" in refusal(path)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert parse(read_text(path), "x").value["name"].place.column == 1


def test_a_huge_file_is_refused_without_reading_it_all(tmp_path):
    path = tmp_path / "x.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 1000)  # sparse: takes no space, and is not all read
    assert "is larger than 10 MiB" in refusal(path)


def test_devices_and_pipes_are_refused_and_not_waited_for(tmp_path):
    import os

    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert "is not a regular file" in refusal(pipe)
    assert "is not a regular file" in refusal(Path("/dev/zero"))


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "x.yaml"
    path.write_text("a: 1")
    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(path).endswith("x.yaml: cannot be read: Permission denied")


@pytest.mark.parametrize("text", ["a\0b", "x" * 5000])
def test_impossible_paths_are_told(text):
    assert "cannot be read" in refusal(Path(text))
    with pytest.raises(ValueError, match=r"cannot be looked up|no such file; looked for '.*\\x00"):
        find(text, beside=None)


def test_a_named_file_is_looked_for_beside_the_file_and_then_here(tmp_path, monkeypatch):
    beside, here = tmp_path / "scenarios", tmp_path / "here"
    beside.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "t.csv").write_text("")
    assert find("t.csv", beside=beside).resolve() == here / "t.csv"
    (beside / "t.csv").write_text("")
    assert find("t.csv", beside=beside).resolve() == beside / "t.csv"
    assert find("t.csv", beside=None).resolve() == here / "t.csv"
    with pytest.raises(ValueError, match="no such file") as caught:
        find("u.csv", beside=beside)
    assert str(beside / "u.csv") in str(caught.value)
    assert str(here / "u.csv") in str(caught.value)
