"""Any scenario written by `dump` loads back equal, and no text brings `load` down."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin import units
from twin.errors import ScenarioError
from twin.scenario.levels import LEVELS, enclosing
from twin.scenario.load import dump, load
from twin.scenario.schema import Scenario
from twin.scenario.yaml_tree import parse
from twin.units import format_quantity

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_. +=,@-]{0,20}[A-Za-z0-9_]", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
POSITIVE = st.floats(1e-6, 1e12, allow_nan=False)
COUNTS = st.integers(1, 10_000)


def quantities(dimension):
    return POSITIVE.map(lambda value: format_quantity(value, dimension))


TIMES = quantities(units.TIME)
RATES = st.floats(1e-9, 1e3).map(lambda value: f"{value!r} per hour")
DATES = st.dates().map(str) | st.datetimes().map(lambda at: at.isoformat())


def sections(required=None, **optional):
    return st.fixed_dictionaries(required or {}, optional=optional)


def laws(values):
    ascending = st.lists(values, min_size=2, max_size=5, unique=True).map(
        lambda found: sorted(found, key=lambda value: float(str(value).split()[0]))
    )
    simple = st.one_of(
        st.fixed_dictionaries({"constant": values}),
        st.fixed_dictionaries({"exponential": st.fixed_dictionaries({"mean": values})}),
        st.fixed_dictionaries(
            {"weibull": st.fixed_dictionaries({"shape": st.floats(0.2, 5), "mean": values})}
        ),
        st.fixed_dictionaries(
            {"lognormal": st.fixed_dictionaries({"median": values, "sigma": st.floats(0, 4)})}
        ),
        ascending.map(lambda v: {"uniform": {"low": v[0], "high": v[-1]}}),
        ascending.map(lambda v: {"choice": {"values": v, "weights": [1.5] * len(v)}}),
        ascending.map(lambda v: {"empirical": {"quantiles": v}}),
    )
    several = st.lists(simple, min_size=2, max_size=3).map(lambda v: {"earliest": {"laws": v}})
    return (
        simple
        | several
        | ascending.map(
            lambda v: {
                "truncated": {"law": {"exponential": {"mean": v[0]}}, "low": v[0], "high": v[-1]}
            }
        )
    )


ARRIVALS = st.one_of(
    st.just("weekly"),
    st.fixed_dictionaries({"poisson": sections(rate=RATES)}),
    st.fixed_dictionaries({"bursty": sections(rate=RATES, cv=st.floats(0.1, 10))}),
)
TRANSFORMS = st.one_of(
    st.just("shuffle"),
    st.fixed_dictionaries({"time_scale": POSITIVE}),
    st.fixed_dictionaries({"load_scale": POSITIVE}),
    st.fixed_dictionaries({"max_gpus": COUNTS}),
    st.fixed_dictionaries({"window": st.fixed_dictionaries({"start": DATES | TIMES})}),
    st.fixed_dictionaries({"resample_arrivals": ARRIVALS}),
)
SYNTHETIC = st.one_of(
    sections(
        {"jobs": COUNTS}, arrivals=ARRIVALS, sizes=st.dictionaries(COUNTS, POSITIVE, min_size=1)
    ),
    sections({"duration": TIMES}, load=POSITIVE, durations=laws(TIMES), users=COUNTS),
)
NODES = st.sampled_from(["dgx-h100", {"gpus": 8}, {"use": "dgx-h100", "max_power": "9.5 kW"}])
POOLS = sections(
    {"name": NAMES, "node": NODES, "nodes": st.integers(5, 10**6)},
    halls=st.lists(NAMES, min_size=1, max_size=3, unique=True),
    nodes_per_rack=COUNTS,
    scale_up_domain=st.sampled_from(["node", "rack", None]),
)
SHARES = st.floats(0, 1)
LEVEL = st.sampled_from(LEVELS)
LAWS = st.sampled_from(  # few choices: with all of them the examples grow too large to be drawn
    [
        {"weibull": {"shape": 0.5, "mean": "9 d"}},
        {"earliest": {"laws": [{"exponential": {"mean": "2 h"}}, {"constant": "1 d"}]}},
        {"truncated": {"law": {"exponential": {"mean": "2 h"}}, "low": "1 s", "high": "1 d"}},
    ]
)
DURATIONS = TIMES | LAWS
EFFECTS = st.one_of(
    st.sampled_from(["fail-stop", "silent"]),
    st.fixed_dictionaries({"slow": st.fixed_dictionaries({"speed": st.floats(0.01, 1)})}),
    st.fixed_dictionaries(
        {"degraded": sections({"bandwidth": st.floats(0.01, 1)}, exposed=SHARES)}
    ),
)
DATED = st.lists(st.integers(1, 10**6), max_size=3, unique=True).flatmap(
    lambda days: st.tuples(*[DURATIONS for _ in range(len(days) + 1)]).map(
        lambda times: {
            "dated": [
                {"from": f"{day} d", "time": time}
                for day, time in zip([0, *sorted(days)], times, strict=True)
            ]
        }
    )
)
STAGE = sections({"time": DURATIONS | DATED}, unmended=SHARES, crew=st.booleans())
REPAIRS = (
    DURATIONS
    | DATED
    | st.lists(STAGE, min_size=1, max_size=3).map(
        lambda stages: [*({**stage, "escalates": 0.5} for stage in stages[:-1]), stages[-1]]
    )
)
PARTS = LEVEL.flatmap(
    lambda of: sections(
        {"of": st.just(of), "life": LAWS, "repair": REPAIRS},
        per=COUNTS,
        effect=EFFECTS,
        evicts=st.booleans(),
        takes=st.sampled_from(enclosing(of)),
        detection=DURATIONS,
        recurs=DURATIONS,
        inspection=DURATIONS,
        false_alarms=POSITIVE,
        wrong_unit=SHARES,
        predicted=sections({"recall": SHARES, "lead": TIMES}, precision=st.floats(0.01, 1)),
    )
)
SOFTWARE = sections(
    {"of": st.just("job"), "life": LAWS},
    detection=DURATIONS,
    permanent=SHARES,
    scale=st.sampled_from(["job", "gpu", "node"]),
)
CLASSES = st.dictionaries(NAMES, PARTS | SOFTWARE, min_size=1, max_size=2)
FAILURES = sections(
    {"classes": CLASSES},
    use=st.sampled_from(["fabric", ["llama3-h100", "facility-2n"]]),
    rate=POSITIVE,
    lemons=laws(POSITIVE),
    mends_lemons=st.booleans(),
    crews=COUNTS,
    maintenance=st.lists(
        st.fixed_dictionaries(
            {
                "name": NAMES,
                "of": LEVEL,
                "first": TIMES,
                "every": st.just("9 d"),
                "lasts": st.just("2 h"),
            }
        ),
        max_size=1,
    ),
    incidents=st.lists(
        sections({"at": TIMES, "name": NAMES, "of": LEVEL, "lasts": TIMES}, effect=EFFECTS),
        max_size=2,
    ),
)
SAVING = st.one_of(
    sections({"write": TIMES}, flush=TIMES, read=TIMES),
    st.just({"state_per_gpu": "40 GB"}),
    st.fixed_dictionaries(
        {
            "levels": st.tuples(
                sections({"name": st.just("near"), "write": TIMES, "survives": st.just(["job"])}),
                sections({"name": st.just("far"), "write": TIMES}, every=COUNTS, flush=TIMES),
            ).map(list)
        }
    ),
)
RECOVERY = sections(
    {"storage": st.just({"read": "500 GB/s", "write": "250 GB/s"})},
    startup=TIMES,
    restart=TIMES,
    standby=st.integers(0, 9),
    admit_gpus=COUNTS,
    retries=COUNTS,
    checkpoint=SAVING,
)
POLICIES = sections(
    scheduler=st.sampled_from(["fifo", "easy-backfill", {"easy-backfill": {}}]),
    recovery=st.sampled_from(["requeue", {"replace": {"patience": "1 h"}}]),
    checkpoint=st.sampled_from(["young", "none"]),
    retirement=st.sampled_from(["never", {"too-often": {"faults": 2}}]),
)
SCENARIOS = sections(
    {
        "name": NAMES,
        "start": DATES,
        "site": sections(
            {"pools": st.lists(POOLS, min_size=1, max_size=3, unique_by=lambda pool: pool["name"])}
        ),
        "workload": sections(
            {"synthetic": SYNTHETIC},
            transforms=st.lists(TRANSFORMS, max_size=4),
            estimates=st.sampled_from(["exact", "trace"])
            | st.fixed_dictionaries({"exact_times": laws(POSITIVE)}),
        ),
    },
    description=TEXTS,
    seed=st.integers(0, 2**63 - 1),
    horizon=st.sampled_from(["drained", "1e12 s"]),
    policies=POLICIES,
    output=sections(timeline_bin=TIMES),
)
FAILING = st.fixed_dictionaries(
    {
        "name": st.just("x"),
        "site": st.just({"pools": [{"name": "a", "node": "dgx-h100", "nodes": 8}]}),
        "workload": st.just({"synthetic": {"jobs": 1}}),
        "failures": FAILURES,
        "recovery": RECOVERY,
    }
)


def loaded(text: str, *overrides: str) -> Scenario:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return load(path, overrides)


@given(SCENARIOS | FAILING)
@settings(max_examples=160, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_dump_and_load_give_an_equal_scenario(data):
    made = Scenario.model_validate(data)
    text = dump(made)
    assert loaded(text) == made
    assert dump(loaded(text)) == text


@given(st.text(max_size=200) | st.text("[]{}:,-&*!|>'\"#%@`?~ \n\tab1", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_tree_or_a_clear_refusal(text):
    try:
        parse(text, "x.yaml").plain()
    except ScenarioError as error:
        assert str(error).startswith("x.yaml")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=8,
)


def places(data, above=()):
    """The way to every value of a scenario."""
    entries = data.items() if isinstance(data, dict) else enumerate(data)
    for key, below in entries:
        yield (*above, key)
        if isinstance(below, dict | list):
            yield from places(below, (*above, key))


@given(SCENARIOS | FAILING, ANYTHING, st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_wrong_value_anywhere_is_refused_at_its_place_or_taken(data, value, draw):
    *way, last = draw.draw(st.sampled_from(list(places(data))))
    changed = json.loads(json.dumps(data))
    holder = changed
    for step in way:
        holder = holder[step if isinstance(holder, list) else str(step)]
    holder[last if isinstance(holder, list) else str(last)] = value
    text = json.dumps(changed)  # JSON is YAML, but for NaN, which becomes text: as good
    try:
        made = loaded(text)
    except ScenarioError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.line >= 1
            assert problem.message
    else:
        assert loaded(dump(made)) == made
