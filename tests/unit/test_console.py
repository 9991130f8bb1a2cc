"""What the terminal says of failures: nothing where nothing may fail."""

from twin.console import change_text, comparison_lines, headline_text, run_lines
from twin.run import run
from twin.sweep import sweep
from twin.tables import HEADLINES

FAILS = """
extends: {small}
failures:
  incidents: [{{at: 5 s, name: feed, of: rack, lasts: 10 s}}]
"""


def test_what_failed_is_told_where_something_may(small, tmp_path):
    fails = tmp_path / "fails.yaml"
    fails.write_text(FAILS.format(small=small()))
    sound, hit = run(small(), report=False), run(fails, report=False)
    assert "what failed" not in run_lines(sound)
    lines = run_lines(hit)
    told = [line.split("  ")[-1].strip() for line in lines[lines.index("what failed") + 1 :]]
    seen = hit.summary["reliability"]
    assert told[:2] == ["1", "1"]
    assert told[5] == f"{100 * seen['availability']:.1f} %"
    table = comparison_lines([sound, hit], ["sound", "hit"])
    assert [line.split()[-2:] for line in table if line.startswith("GPU avail")] == [["%", "-"]]


def test_fractions_are_written_in_per_cent_and_their_changes_in_points():
    ettr = next(each for each in HEADLINES if each.key == "reliability.ettr")
    assert headline_text(ettr, 0.9662) == "96.6 %"
    assert headline_text(ettr, float("nan")) == headline_text(ettr, None) == "-"
    assert change_text(ettr, 0.9953, 0.9662) == "-2.9 points"
    unfair = next(each for each in HEADLINES if each.key == "scheduling.rho_max")
    assert headline_text(unfair, 102_943.84) == "102,944"
    assert headline_text(unfair, 203.024) == "203.02"
    wait = next(each for each in HEADLINES if each.key == "wait_s.p50")
    assert change_text(wait, 0.0, 192.0) == "+3.2 min"
    assert change_text(wait, 100.0, 192.0) == "+92.0 %"


def test_a_sweep_shows_interruptions_where_there_are_any(small, tmp_path):
    fails = tmp_path / "fails.yaml"
    fails.write_text(FAILS.format(small=small()))
    for scenario, shown in ((small(), "P99 wait"), (fails, "(ETTR)")):
        asked = tmp_path / "sweep.yaml"
        asked.write_text(f"name: s\nscenario: {scenario}\naxes:\n  - policies.scheduler: [fifo]\n")
        header = sweep(asked, tmp_path / "out").lines()[2]
        assert shown in header


RENTS = """
extends: {small}
site:
  pools:
    - {{name: pool, node: {{gpus: 8}}, nodes: 1, price: 1 USD/h}}
    - name: cloud
      node: {{gpus: 8}}
      nodes: 4
      cloud: {{price: 2 USD/h, provisioning: 1 s, minimum: 1 s, idle: 1 s}}
policies: {{overflow: {{by-wait: {{patience: 0 s}}}}}}
"""


def test_what_was_rented_is_told_where_there_are_clouds(small, tmp_path):
    rents = tmp_path / "rents.yaml"
    rents.write_text(RENTS.format(small=small()))
    assert "what was rented" not in run_lines(run(small(), report=False))
    found = run(rents, report=False)
    lines = run_lines(found)
    assert " on 8 GPUs and up to 32 of clouds for " in lines[0]
    told = lines[lines.index("what was rented") + 1 :]
    assert f"{found.summary['cloud']['rentals']} node" in told[0]
    assert f"{found.summary['cost']['usd']:,.0f} USD" in told[1]
