"""A failed automatic payment is one message for each person with a role, from its first decline to its end."""

import re

import pytest

from tests.journeys.world import VISA, Doc, World, button_of, colours, shown, until

OTHER_VISA = {"card": "4000 0000 0000 1881", "exp": "11/33", "cvc": "123"}
IDS = {"owner": "U0OWNER01", "admin": "U0ADMIN01", "finance": "U0FINANCE"}
PEOPLE = tuple(IDS)
RED = "E01E5A"
FAILED = "The automatic payment of $160.00 failed"


def _stripe(world: World, **fault: object) -> None:
    assert world.client.post("/sandbox/api/stripe/script", json=fault).status_code == 200


def _slack(world: World, **fault: object) -> None:
    assert world.client.post("/sandbox/api/slack/script", json=fault).status_code == 200


def _fails(world: World, decline: str = "insufficient_funds") -> None:
    """Spend a wallet with a rule below its threshold, while the bank says no."""
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")
    world.turn_rule_on()
    _stripe(world, last4="4242", decline=decline)
    world.use("call-1", "60.00")


def _about_charge(world: World, who: str, words: str = FAILED) -> list[Doc]:
    return [one for one in world.messages(who) if words in shown(one)]


def _red(world: World, who: str) -> list[str]:
    return [shown(one) for one in world.messages(who) if RED.lower() in "".join(colours(one)).lower()]


def _link_in(message: Doc) -> str:
    blocks = [*message["blocks"], *(b for one in message["attachments"] for b in one["blocks"])]
    return str(next(e["url"] for block in blocks for e in block.get("elements", []) if e.get("url")))


def _lines(world: World, who: str, words: str) -> list[str]:
    """Give what somebody was notified of by new lines of their DM, whole messages left out."""
    return [shown(one) for one in world.messages(who) if one.get("thread_ts") and words in shown(one)]


def _is_notified_once(world: World, who: str, words: str) -> None:
    """Wait for a line in a thread that notifies somebody, and see that it is one."""
    until(
        lambda: len(_lines(world, who, words)) == 1 or None,
        lambda: f"{who} is notified of {words!r} by: {_lines(world, who, words)}",
    )


def test_a_failed_charge_is_one_message_with_one_link_and_one_reference(world: World) -> None:
    """Nobody reads a second alarm beside it, or is offered to charge the card that was just declined."""
    _fails(world, "lost_card")
    for who in PEOPLE:
        message = world.reads(who, FAILED)
        assert len(_red(world, who)) == 1, _red(world, who)
        assert "Nothing was charged" in shown(message)
        assert "Charge Visa" not in "".join(map(shown, world.messages(who)))
        button_of(message, "Pay $160")
    world.reads("owner", "low", channel="#calls")
    ref = re.search(r"Ref (RB-\d+)", shown(world.reads("finance", FAILED)))
    assert ref is not None
    world.command("finance", "/wallet")
    assert ref[1] in shown(world.reads("finance", "$160.00* asked of"))


def test_the_link_is_withdrawn_when_somebody_closes_the_gap(world: World) -> None:
    """Everybody reads once that it is not needed any more; the link takes nothing."""
    _fails(world, "lost_card")
    link = _link_in(world.reads("finance", FAILED))
    world.top_up_by_page("owner", "160.00", OTHER_VISA, save=False)
    world.balance_is("200.00")
    for who in PEOPLE:
        ended = world.reads(who, "No longer needed.")
        assert "added $160.00" in shown(ended)
        assert "the link was withdrawn. Automatic payments are on again." in shown(ended)
        assert not _about_charge(world, who)
        _is_notified_once(world, who, "No longer needed.")
    world.skip(3)
    world.pay(link, VISA, ok=False)
    world.skip(120)
    for who in PEOPLE:
        assert len(_lines(world, who, "No longer needed.")) == 1
        assert _red(world, who) == []


def test_what_the_link_paid_is_said_to_everybody(world: World) -> None:
    """In the message, and once in a line that notifies."""
    _fails(world, "lost_card")
    world.pay(_link_in(world.reads("finance", FAILED)), OTHER_VISA)
    world.balance_is("200.00")
    for who in PEOPLE:
        world.reads(who, "$160.00 was paid with Visa ••1881 through the link")
        _is_notified_once(world, who, "through the link")
        assert _red(world, who) == []


def test_later_tries_update_the_message_in_place(world: World) -> None:
    """Declined, declined again, then through: one message, and one line when somebody's waiting is over."""
    _fails(world)
    first = world.reads("finance", FAILED)
    assert "3 more tries" in shown(first) or "2 more tries" in shown(first)
    world.skip(70)
    until(
        lambda: "1 more try after that" in shown(_about_charge(world, "finance")[-1]) or None,
        lambda: shown(_about_charge(world, "finance")[-1]),
    )
    assert len(_about_charge(world, "finance")) == 1
    assert not _lines(world, "finance", "")
    _stripe(world, last4="4242", decline="")
    world.skip(190)
    for who in PEOPLE:
        world.reads(who, "The automatic payment of $160.00 went through with Visa ••4242")
        _is_notified_once(world, who, "went through")
    world.balance_is("200.00")


def test_a_confirmation_is_waited_for_with_reminders_until_it_pauses(world: World) -> None:
    """After one hour and after six: a line each; after a day the pause, and an admin may end it."""
    _fails(world, "authentication_required")
    asked = world.reads("owner", "The bank wants you to confirm a payment of $160.00")
    button_of(asked, "Confirm on Stripe's page")
    world.skip(65)
    world.reads("owner", "The bank has waited 1 hour for somebody to confirm $160.00")
    world.skip(6 * 60)
    world.reads("owner", "The bank has waited 6 hours for somebody")
    world.skip(20 * 60)
    paused = world.reads("owner", "failed: nobody confirmed it on Visa ••4242 at the bank in time")
    button_of(paused, "Turn on again")
    for words in ("waited 1 hour", "waited 6 hours", "Automatic payments are paused:"):
        assert len(_lines(world, "owner", words)) == 1, words


GONE = {"refuse": "user_disabled"}
LIMITED = {"limit": 5}
AWAY = {"fail": 503}


@pytest.mark.parametrize(
    ("hit", "fault", "comes_back"),
    [("owner", GONE, False), ("admin", LIMITED, True), ("finance", AWAY, True)],
    ids=["gone", "limited", "away"],
)
def test_a_recipient_in_trouble_keeps_nobody_else_from_reading_of_it(
    world: World, hit: str, fault: dict[str, object], comes_back: bool
) -> None:
    """The others read once at once, and its end; who comes back reads how it stands by then, and nothing else.

    Everybody who may be hit, in each trouble, is of the matrix (tests/faults/test_telling.py).
    """
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")
    world.turn_rule_on()
    _stripe(world, last4="4242", decline="lost_card")
    _slack(world, method="chat.postMessage", channel=IDS[hit], times=10_000, **fault)
    world.use("call-1", "60.00")
    others = [one for one in PEOPLE if one != hit]
    for who in others:
        world.reads(who, FAILED)
    world.skip(5)
    assert [len(_about_charge(world, who)) for who in others] == [1, 1]
    assert not _about_charge(world, hit)
    _slack(world, clear=True)
    world.skip(5)
    assert len(_about_charge(world, hit)) == int(comes_back)
    world.pay(_link_in(world.reads(others[0], FAILED)), OTHER_VISA)
    for who in PEOPLE if comes_back else others:
        world.reads(who, "through the link")
        _is_notified_once(world, who, "through the link")


def test_what_slack_was_not_told_of_a_charge_that_ended_is_not_told_at_all(world: World) -> None:
    """Slack is away from the decline to the end: nobody reads of a failure that is over."""
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")
    world.turn_rule_on()
    _stripe(world, last4="4242", decline="lost_card")
    _slack(world, method="chat.postMessage", times=100_000, **AWAY)
    world.use("call-1", "60.00")
    until(lambda: "Automatic payments are paused" in str(world.home("owner")) or None, lambda: "no pause")
    world.top_up_by_page("owner", "160.00", OTHER_VISA, save=False)
    world.balance_is("200.00")
    _slack(world, clear=True)
    world.skip(5)
    world.reads("owner", "$160.00 was paid")
    for who in PEOPLE:
        assert not _about_charge(world, who)
        assert not _lines(world, who, "No longer needed")


def test_a_message_that_was_deleted_is_told_anew(world: World) -> None:
    """Slack does not know the message any more: what became of the charge is a new one."""
    _fails(world, "lost_card")
    link = _link_in(world.reads("finance", FAILED))
    _slack(world, method="chat.update", channel=IDS["finance"], times=1, refuse="message_not_found")
    world.pay(link, OTHER_VISA)
    world.reads("finance", "through the link")
    assert len(_about_charge(world, "finance")) == 1
    assert not _lines(world, "finance", "through the link")


def test_the_picture_of_a_failed_charge_follows(world: World) -> None:
    """The host of pictures is away when the charge fails: all read the link at once, and later its picture."""
    _slack(world, method="files.getUploadURLExternal", upload_host_away=True, times=100_000)
    _fails(world, "lost_card")
    for who in PEOPLE:
        assert "'image'" not in str(world.reads(who, FAILED))
    _slack(world, clear=True)
    world.skip(10)
    for who in PEOPLE:
        until(
            lambda who=who: "'image'" in str(_about_charge(world, who)) or None,  # type: ignore[misc]
            lambda who=who: f"{who} sees no picture",  # type: ignore[misc]
        )
        assert len(_about_charge(world, who)) == 1
        assert not _lines(world, who, "")


def test_another_card_is_asked_about_by_name(world: World) -> None:
    """By its button an admin connects a card, reads its name, and chooses it; only their press turns the rule on."""
    _fails(world, "lost_card")
    failed = world.reads("admin", FAILED)
    world.act("press", "admin", channel="dm", ts=failed["ts"], text="Use another card")
    world.modal_reads("admin", "A new card is charged only where an admin chooses it")
    world.pay(world.modal_link("admin"), OTHER_VISA)
    world.act("close", "admin")
    asked = world.reads("admin", "Charge it from now on instead of Visa ••4242?")
    assert "Visa ••1881 is connected" in shown(asked)
    assert "Automatic payments are paused" in shown(_about_charge(world, "admin")[-1])
    world.act("press", "admin", channel="dm", ts=asked["ts"], text="Charge it from now on", confirm=True)
    chosen = world.reads("admin", "Visa ••1881 is charged from now on.")
    assert "Automatic payments stay paused until an admin turns them on." in shown(chosen)
    button_of(chosen, "Turn on again")
    world.reads("finance", "changed which card is charged: main card Visa ••4242 → Visa ••1881")
    assert "Charge it from now on" not in str(world.messages("finance"))


def test_a_card_that_was_chosen_is_charged_by_the_rule(world: World) -> None:
    """The rule was on all the time: the retry on the card before is given up, and the gap is closed by the new one."""
    _fails(world)
    failed = world.reads("admin", FAILED)
    world.act("press", "admin", channel="dm", ts=failed["ts"], text="Use another card")
    world.modal_reads("admin", "A new card is charged only where an admin chooses it")
    world.pay(world.modal_link("admin"), OTHER_VISA)
    world.act("close", "admin")
    asked = world.reads("admin", "Charge it from now on instead of Visa ••4242?")
    world.act("press", "admin", channel="dm", ts=asked["ts"], text="Charge it from now on", confirm=True)
    world.reads("admin", "Automatic payments are on and use it.")
    for who in PEOPLE:
        world.reads(
            who, "Automatic payments are on. The payment of $160.00 that failed is not tried any more."
        )
    world.skip(20)
    world.balance_is("200.00")
    world.reads("owner", "with Visa ••1881")
    for who in PEOPLE:
        world.reads(who, "A newer automatic payment took the place of this one")


def test_a_saved_card_is_picked_in_the_form(world: World) -> None:
    """Its row offers it by name, and the form says what became of it."""
    world.home("owner")
    world.top_up_by_page("owner", "50.00")
    world.reads("owner", "Visa ••4242 is connected")
    world.top_up_by_page("owner", "50.00", OTHER_VISA)
    world.reads("owner", "Visa ••1881 is connected")
    world.balance_is("100.00")
    world.turn_rule_on()
    _stripe(world, last4="4242", decline="insufficient_funds")
    world.use("call-1", "60.00")
    failed = world.reads("admin", FAILED)
    world.act("press", "admin", channel="dm", ts=failed["ts"], text="Use another card")
    form = world.modal_reads("admin", "expires 11/33 · backup")
    world.act("press", "admin", view_id=form["id"], text="Charge it from now on", confirm=True)
    world.modal_reads("admin", "Visa ••1881 is charged from now on.")
    world.reads("finance", "main card Visa ••4242 → Visa ••1881, backup card Visa ••1881 → Visa ••4242")
