"""`redbar credit` and `redbar correct`: the operator gives money, and gives it back; people are told, once."""

from pathlib import Path

import pytest

from bot.__main__ import main
from bot.operator import demo
from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World, shown


def test_credits_and_corrections_are_booked_once_refused_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the running bot, and without one."""
    file = tmp_path / "demo" / "redbar.db"
    database = ["--database", f"sqlite:///{file}"]

    def said(*command: str, code: int = 0) -> str:
        assert main([*command, *database]) == code
        return capsys.readouterr().out

    running = demo.start(lay_books(tmp_path / "demo"), 0, tick=TICK)
    try:
        with loopback(running.url, timeout=30) as client:
            world = World(client, running.info["api_key"])
            world.top_up_by_page("owner", "100.00")
            world.balance_is("100.00")
            world.use("call-7", "4.00")

            words = said("correct", "call-7", "2.50", "--note", "wrong rate & time")
            assert "call-7 costs $2.50 now: $1.50 was given back. The balance is $97.50" in words
            message = shown(world.reads("owner", "was given back"))
            assert "$1.50 was given back: Outbound call call-7 costs $2.50 now." in message.replace("*", "")
            assert "Because: wrong rate &amp; time" in message
            world.reads("finance", "was given back")
            assert "already; nothing was changed" in said("correct", "call-7", "2.50", "--note", "again")
            refused = said("correct", "call-7", "2.51", "--note", "more", code=1)
            assert "can only lower what is booked. Post the rest as usage" in refused
            assert "There is no usage of that id" in said("correct", "call-8", "0", "--note", "x", code=1)
            assert "Write it like 0.42" in said("correct", "call-7", "2,50", "--note", "x", code=1)

            assert "$10.00 was credited (gift-1)" in said(
                "credit", "10", "--id", "gift-1", "--note", "sorry for the outage"
            )
            message = shown(world.reads("owner", "was credited"))
            assert "The balance is $107.50." in message
            assert "Because: sorry for the outage" in message
            assert "booked before" in said("credit", "10", "--id", "gift-1", "--note", "sorry for the outage")
            refused = said("credit", "11", "--id", "gift-1", "--note", "sorry for the outage", code=1)
            assert "posted before with another amount" in refused
            assert "--id gift-1" in refused
            assert "has to be more than zero" in said("credit", "0", "--note", "nothing", code=1)
            world.balance_is("107.50")
    finally:
        running.stop()

    assert "costs $0.00 now: $2.50 was given back" in said("correct", "call-7", "0", "--note", "not ours")
    assert "$1.00 was credited" in said("credit", "1.00", "--note", "rounding")
    assert "The books are whole" in said("verify")
    assert said("explain", "call-7").count(", correction: ") == 2


def test_at_eight_cents_every_surface_says_what_can_start_and_what_cannot(tmp_path: Path) -> None:
    """The platform, /wallet, Home, the alarm and the channel agree; the first inbound call begins grace."""
    running = demo.start(lay_books(tmp_path / "demo"), 0, tick=TICK)
    try:
        with loopback(running.url, timeout=30) as client:
            world = World(client, running.info["api_key"])
            world.top_up_by_page("owner", "10.00")
            world.balance_is("10.00")
            world.use("call-1", "9.92")

            wallet = world.wallet()
            assert (wallet["standing"], wallet["balance"]) == ("open", "0.08")
            allowed = {kind: one["allowed"] for kind, one in wallet["permits"].items()}
            assert allowed == {"outbound_call": False, "ai_task": False, "inbound_call": True}
            assert world.may_start("out", "outbound_call")["reason"] == "insufficient_available"
            sentence = (
                "New outbound calls and AI tasks can't start: $0.08 is left, a call needs $0.50. "
                "Inbound calls go on."
            )
            world.reads("finance", sentence)
            channel = shown(world.reads("member", "New outbound calls and AI tasks can't start.", "#calls"))
            assert "$" not in channel
            assert "Nothing has stopped" not in channel
            world.command("owner", "/wallet")
            answer = world.reads("owner", f"{sentence} Automatic payments are off.")
            assert answer["ephemeral"]
            assert sentence in shown(world.home("owner")).replace("*", "")

            inbound = world.may_start("in", "inbound_call")
            assert (inbound["allowed"], inbound["standing"]) == (True, "open")
            world.platform("POST", "/v1/holds/in/capture", {"amount": "0.30"})

            assert world.wallet()["standing"] == "grace"
            world.reads("member", "Outbound calls and AI tasks have stopped.", "#calls")
            assert world.may_start("in 2", "inbound_call")["allowed"]
    finally:
        running.stop()
