"""The ledger as it is told: rests of rounding are nothing, small shares are not."""

from twin.tables import gpu_time_bought


def told(**shares):
    summary = {"ledgers": {"gpu_time": {"unit": "gpu_s", "total": 1e9, "shares": shares}}}
    return gpu_time_bought(summary)["shares"]


def test_what_rounding_left_in_a_share_is_not_told():
    """A comparison said that checkpoints had grown six million million times."""
    assert told(checkpoint=3e-9, useful=1e9) == {"checkpoint": 0.0, "useful": 1e9}
    assert told(restart=-1e-9, useful=1e9)["restart"] == 0.0


def test_a_small_share_is_told():
    assert told(checkpoint=2e-3, useful=1e9)["checkpoint"] == 2e-3
