"""Clouds: cases of three nodes in which every instant and every dollar is known by hand."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from cloud_case import TERMS, by, jobs, place, run, spot

from twin.errors import PolicyError
from twin.metrics.cloud import gpus_there
from twin.metrics.summary import summarise
from twin.policies.base import OverflowPolicy
from twin.policies.decisions import Burst, Wake
from twin.site.terms import Terms
from twin.tables import gpu_time_bought
from twin.workload.jobs import Intake

PLAIN = {"levels": (), "restart_s": 0.0}
PATIENT = {"patience": "300 s"}


def test_a_job_that_would_wait_too_long_goes_to_the_cloud():
    case = run(place(), jobs((0, 1000, 2), (10, 500, 2)), by("by-wait", **PATIENT), **PLAIN)
    assert case.starts == [0, 110] and case.ends == [1000, 610]
    assert case.pools == ["own", "cloud"]
    assert case.rentals == [(1, 10, 110, 810)]  # idle from 610 on
    table = case.tables.rentals
    assert table["billed_s"].tolist() == [840]  # 800 s in whole minutes
    assert table["usd"].tolist() == [pytest.approx(840 * 2 * 0.001)]
    told = case.told
    hours = {name: told[f"{name}_gpu_hours"] * 3600 for name in ("held", "provisioning", "idle")}
    assert hours == pytest.approx({"held": 1000, "provisioning": 200, "idle": 400})
    assert told["wasted_gpu_hours"] * 3600 == pytest.approx(600)
    assert (told["jobs"], told["rentals"], told["reclaims"], told["peak_gpus"]) == (1, 1, 0, 2)
    shares = {name: value for name, value in case.tables.gpu_time.items() if value}
    assert shares == {"useful": 3000, "idle": 400, "dark": 6000 - 3400}
    # Two of one's own, and two rented ones for 800 of 1,000 s.
    assert gpus_there(case.tables, case.site, 0, 1000) == pytest.approx(2 + 2 * 0.8)


def test_a_job_waits_for_its_patience_where_nobody_foresees_more():
    # It is believed that the first ends at 100 s.
    work = jobs((0, 1000, 2), (10, 500, 2))
    case = run(place(), work, by("by-wait", **PATIENT), estimate_s=np.array([100.0, 500.0]))
    assert case.rentals[0][:3] == (1, 310, 410)
    case = run(place(), work, by("by-wait", foresees=False, **PATIENT), **PLAIN)
    assert case.starts == [0, 410]


@pytest.mark.parametrize("patience", ["0 s", "1 s", "300 s"])
def test_nothing_is_rented_where_there_is_room(patience):
    case = run(place(), jobs((0, 100, 2), (100, 100, 1), (100, 100, 1)),
               by("by-wait", patience=patience), **PLAIN)  # fmt: skip
    assert case.starts == [0, 100, 100] and case.rentals == []
    assert case.told["usd"] == 0


def test_a_job_that_is_expected_to_start_in_time_waits():
    case = run(place(), jobs((0, 300, 2), (10, 500, 2)), by("by-wait", **PATIENT), **PLAIN)
    assert case.starts == [0, 300] and case.rentals == []


def test_small_jobs_share_a_node_and_the_quota_holds():
    work = jobs((0, 1000, 2), (10, 100, 1), (10, 100, 1), (10, 200, 2), (10, 100, 2))
    case = run(place(), work, by("by-wait", **PATIENT), **PLAIN)
    # The last finds both nodes taken, and goes where the two small ones have ended.
    assert case.starts == [0, 110, 110, 110, 210]
    assert [node for node, *_ in case.rentals] == [1, 2]
    assert case.told["peak_gpus"] == 4


def test_a_gang_takes_several_nodes_or_none():
    work = jobs((0, 1000, 2), (10, 100, 4), (10, 100, 5))
    case = run(place(), work, by("by-wait", **PATIENT), **PLAIN)
    assert case.tables.jobs["state"].tolist() == ["completed", "completed", "rejected"]
    assert case.rentals == [(1, 10, 110, 410), (2, 10, 110, 410)]


def test_who_may_not_overflow_does_not_use_what_is_rented():
    terms = replace(TERMS, idle_s=1000.0)
    work = jobs((0, 1000, 2), (10, 100, 2), (750, 100, 2))
    case = run(place(terms), work, by("by-wait", **PATIENT), **PLAIN)
    assert case.starts == [0, 110, 1000] and case.pools == ["own", "cloud", "own"]


def test_a_node_is_given_back_when_it_has_rested():
    work = jobs((0, 3000, 2), (0, 100, 2), (390, 100, 2), (700, 100, 2))
    case = run(place(), work, by("by-wait", **PATIENT), **PLAIN)
    # Rested from 200; at work again from 390 to 490, and gone at 690, before the last one comes.
    assert case.starts == [0, 100, 390, 800]
    assert case.rentals == [(1, 0, 100, 690), (1, 700, 800, 1100)]


def test_a_deadline_decides():
    def starts(deadline_s):
        work = jobs((0, 1000, 2), (10, 500, 2), deadline_s=[nan, deadline_s])
        return run(place(), work, by("by-deadline"), **PLAIN).starts[1]

    assert starts(nan) == 1000
    assert starts(1500) == 1000  # met on premise, to the second
    assert starts(1499) == 110
    assert starts(610) == 110
    assert starts(609) == 1000  # missed in the cloud as well


def test_a_price_of_delay_decides():
    # 890 s are spared to two GPUs, for 600 s of two GPUs: 1.2 USD.
    def case(usd, **columns):
        work = jobs((0, 1000, 2), (10, 500, 2), **columns)
        terms = replace(TERMS, egress_usd_per_byte=0.1, data_bytes=1.0)
        told = {"usd_per_gpu_h_of_delay": usd}
        return run(place(terms), work, by("by-cost", **told), **PLAIN)

    even = 3600 * 1.2 / (2 * 890)
    moved = {"data_bytes": [nan, 0.0]}
    assert case(even * 1.001, **moved).starts == [0, 110]
    assert case(even * 0.999, **moved).starts == [0, 1000]
    assert case(0.0).rentals == []
    # With a byte for each GPU moved back: 1.4 USD.
    even *= 1.4 / 1.2
    assert case(even * 0.999).starts == [0, 1000]
    found = case(even * 1.001)
    assert found.starts == [0, 110]
    assert found.told["egress_usd"] == pytest.approx(0.2)
    assert case(100.0, data_bytes=[nan, 30.0]).told["egress_usd"] == pytest.approx(3.0)


def test_nothing_is_moved_back_from_ones_own():
    terms = replace(TERMS, egress_usd_per_byte=1.0, data_bytes=1.0)
    case = run(place(terms), jobs((0, 100, 2)), by("by-wait"), **PLAIN)
    assert case.tables.egress == {"cloud": (0.0, 0.0)}


def test_a_job_for_which_nothing_else_will_do():
    work = jobs((0, 100, 2), (0, 100, 2), pool=["own", "cloud"])
    case = run(place(), work, by("by-wait"), **PLAIN)
    assert case.starts == [0, 100]
    assert run(place(), work, by("never"), **PLAIN).tables.jobs["state"].tolist() == [
        "completed",
        "rejected",
    ]


def test_a_job_for_ones_own_stays_there():
    work = jobs((0, 1000, 2), (10, 100, 2), pool=["own", "own"])
    case = run(place(), work, by("by-wait", patience="0 s"), **PLAIN)
    assert case.starts == [0, 1000] and case.rentals == []


def test_a_cloud_that_is_there_at_once():
    terms = replace(TERMS, provisioning_s=0.0)
    case = run(place(terms), jobs((0, 1000, 2), (10, 100, 2)), by("by-wait", **PATIENT), **PLAIN)
    assert case.starts == [0, 10] and case.rentals == [(1, 10, 10, 310)]


def test_time_is_billed_in_whole_units():
    terms = Terms(1.0, minimum_s=60.0)
    assert [terms.billed_s(t) for t in (0, 1, 59.9, 60, 60.1, 120)] == [0, 60, 60, 60, 120, 120]
    assert terms.billed_s(0.1 * 3 * 600) == 180  # 0.1 * 3 is above 0.3
    assert Terms(1.0, minimum_s=0.0).billed_s(12.3) == 12.3


# -- taken back


def reclaimed(work_s, life_s, notice_s, **more):
    """One's own node is busy until 450; the other job is in the cloud from 110 on."""
    work = jobs((0, 450, 2), (10, work_s, 2), kind=["interactive", "training"])
    return run(place(spot(life_s, notice_s)), work, by("by-wait", **PATIENT), **more)


def test_a_job_saves_before_its_node_is_taken():
    case = reclaimed(500, life_s=300, notice_s=20)
    # It works 110-210, 220-320 and 330-390, saves until 400, and begins again at 450.
    assert [row[:3] for row in case.rentals] == [(1, 10, 110)]
    assert case.rentals[0][3] == pytest.approx(400)
    table, row = case.tables.rentals, case.tables.jobs.iloc[1]
    assert table["reclaimed"].tolist() == [1]
    assert table["usd"].tolist() == [pytest.approx(420 * 2 * 0.001)]
    assert case.ends[1] == pytest.approx(450 + 23 + 240 + 2 * 10)
    assert row["lost_gpu_s"] == 0
    assert (row["restarts"], row["interruptions"], row["preemptions"]) == (1, 0, 0)
    incident = case.tables.incidents.iloc[0]
    assert (incident["kind"], incident["component"]) == ("reclaim", "cloud reclaimed")
    assert incident["time_s"] == pytest.approx(390)
    assert (incident["jobs_hit"], incident["gpus_down"], incident["down_gpu_s"]) == (1, 0, 0)


def test_a_job_that_cannot_save_in_time_works_on_and_loses_what_it_must():
    case = reclaimed(500, life_s=300, notice_s=5)
    # It works on to 410: 80 s since the last save are lost, 300 s of work are left.
    assert case.rentals[0][3] == pytest.approx(410)
    assert case.tables.jobs["lost_gpu_s"][1] == pytest.approx(160)
    assert case.ends[1] == pytest.approx(450 + 23 + 300 + 2 * 10)
    assert case.tables.jobs["interruptions"][1] == 0


def test_a_job_that_saves_nothing_loses_everything():
    case = reclaimed(500, life_s=300, notice_s=20, levels=(), restart_s=0.0)
    assert case.tables.jobs["lost_gpu_s"][1] == pytest.approx(600)
    assert case.ends[1] == pytest.approx(950)


def test_a_job_that_ends_in_time_is_left_alone():
    case = reclaimed(255, life_s=300, notice_s=20)
    assert case.ends[1] == 110 + 255 + 2 * 10  # 385, before the warning
    assert case.tables.rentals["reclaimed"].tolist() == [1]  # it rested at 390
    case = reclaimed(265, life_s=300, notice_s=20)
    assert case.ends[1] == 395
    assert case.rentals[0][3] == 395  # of no use any more
    assert case.tables.rentals["reclaimed"].tolist() == [1]


def test_no_job_starts_on_a_node_that_is_about_to_be_taken():
    work = jobs((0, 5000, 2), (10, 500, 1), (395, 500, 1), kind=["interactive"] * 3)
    case = run(place(spot(300, 20)), work, by("by-wait", patience="0 s"), **PLAIN)
    # One GPU of node 1 is free at 395, but the node goes at 410.
    assert case.starts[2] == 495
    assert case.rentals[0][3] == pytest.approx(410)


# -- answers that cannot be carried out


class Answers(OverflowPolicy):
    """Says the same whenever it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def overflow(self, cloud):
        yield self.answer(cloud)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda cloud: Burst(0, 1), "pool 0 is no cloud; clouds are [1]"),
        (lambda cloud: Burst(1, 3), "3 nodes of 2 that are left"),
        (lambda cloud: Burst(1, -1), "-1 nodes of 2 that are left"),
        (lambda cloud: Wake(cloud.now_s), "is not ahead"),
        (lambda cloud: "rent", "'rent' is no decision"),
        (lambda cloud: Burst(1, 1, [*cloud.waiting()] * 2), "may go to a cloud already"),
        (lambda cloud: Burst(1, 1, [*cloud._cluster.running]), "does not wait"),
    ],
)
def test_a_wrong_answer_is_an_error_that_says_so(answer, said):
    with pytest.raises(PolicyError, match=r"overflow policy Answers at 10\.0 s") as caught:
        run(place(), jobs((0, 1000, 2), (10, 100, 2)), Answers(answer), **PLAIN)
    assert said in str(caught.value)


# -- what is told


def test_what_was_never_rented_is_not_told_as_bought():
    case = run(place(), jobs((0, 1000, 2), (10, 500, 2)), by("by-wait", **PATIENT), **PLAIN)
    told = summarise(case.tables, case.site, Intake(), name="x", seed=1, assumptions=[])
    whole = told["ledgers"]["gpu_time"]
    assert whole["total"] == 6000 and sum(whole["shares"].values()) == pytest.approx(6000)
    assert told["cloud"]["unrented_gpu_hours"] * 3600 == pytest.approx(4000 - 800 * 2)
    bought = gpu_time_bought(told)
    assert bought["total"] == pytest.approx(2000 + 1600)
    # A hundred seconds of two GPUs on their way.
    assert bought["shares"]["dark"] == pytest.approx(200)
    assert told["utilisation"] == pytest.approx(3000 / 3600)
    assert told["cost"]["usd_rent"] == told["cost"]["usd"] == pytest.approx(1.68)
    assert told["site"]["rentable_gpus"] == 4


def test_ones_own_gpus_cost_their_price_used_or_not():
    site = place()
    own = replace(site.pools[0], price_usd_per_s=0.0005)
    site = replace(site, pools=(own, site.pools[1]))
    case = run(site, jobs((0, 1000, 2), (10, 500, 2)), by("by-wait", **PATIENT), **PLAIN)
    told = summarise(case.tables, site, Intake(), name="x", seed=1, assumptions=[])["cost"]
    assert told["covers"] == "own GPUs, rent"
    assert told["usd_own"] == pytest.approx(2 * 1000 * 0.0005)
    assert told["usd"] == pytest.approx(1.0 + 1.68)
    assert told["usd_per_useful_gpu_hour"] == pytest.approx(2.68 * 3600 / 3000)


def test_nothing_rented_is_as_without_a_cloud():
    case = run(place(), jobs((0, 1000, 2), (10, 500, 2)), by("never"), **PLAIN)
    told = summarise(case.tables, case.site, Intake(), name="x", seed=1, assumptions=[])
    assert gpu_time_bought(told)["shares"]["dark"] == 0
    assert gpu_time_bought(told)["total"] == pytest.approx(2 * 1500)
    assert told["utilisation"] == pytest.approx(1)
    assert told["cloud"]["gpu_hours"] == told["cost"]["usd"] == 0
