"""A sample of the flood: many workspaces are alarmed at once by one process. The whole is `tests.benchmarks.flood`."""

from collections import Counter
from itertools import groupby
from pathlib import Path

from bot.sandbox.slack.rates import PER_MINUTE
from tests.benchmarks.flood import Wave, flooded
from tests.sizes import size

WALLETS = size("flood", local=8, ci=12, full=30)


def test_every_workspace_is_told_once_within_its_limits_and_alarms_come_first(tmp_path: Path) -> None:
    """Each of two people reads of the alarm before the card, the channel of the alarm alone; then all is clear."""
    with flooded(tmp_path, WALLETS) as flood:
        alarms, clear = flood.alarm(), flood.recover()
        assert flood.waiting() == 0

    read = {
        reader: ["low" if "wallet is low" in one.text else "card" for one in sent]
        for reader, sent in groupby(
            sorted(alarms.told, key=lambda one: (one.token, one.channel)),
            key=lambda one: (one.token, one.channel),
        )
    }
    assert Counter(map(tuple, read.values())) == {("low", "card"): 2 * WALLETS, ("low",): WALLETS}
    kinds = ["low" if "wallet is low" in one.text else "card" for one in alarms.asked]
    assert "card" not in kinds[: 3 * WALLETS - 4], (
        "a card went out while more alarms waited than are on their way"
    )
    posted = Counter((one.token, one.channel, one.method) for one in clear.told)
    assert len(posted) == 2 * 3 * WALLETS  # an edit of each message, and a line beneath it
    lines = [count for (_, _, method), count in posted.items() if method == "chat.postMessage"]
    assert set(lines) == {1}  # where Slack limits the line, the edit is sent once more before it
    for wave in (alarms, clear):
        _within_limits(wave)
        assert wave.threads_after == wave.threads_before
        assert wave.threads_most <= wave.threads_before + 4


def _within_limits(wave: Wave) -> None:
    # Slack allows short bursts in a conversation, this one does not: whoever meets a limit waits as long as it says.
    refused = Counter((one.token, one.channel, one.method) for one in wave.asked if one.is_refused)
    assert max(refused.values(), default=0) <= 3
    assert {method for _, _, method in refused} <= {"chat.postMessage"}
    updates = Counter(one.token for one in wave.asked if one.method == "chat.update")
    assert all(count <= PER_MINUTE["chat.update"] for count in updates.values())
