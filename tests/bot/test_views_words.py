"""The words of the storyboard, computed from facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.facts import AlertFacts, Basis, OwnCardsFacts, RequestState, StatusFacts
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views import alerts, errors, home, money_in, status
from bot.slack.views.blocks import AMBER, GREEN, RED
from bot.slack.views.text import about, plainly
from bot.slack.views.words import lasts
from bot.states.alert import AlertPhase
from bot.states.payment import Outcome, PayWith
from ledger import AI_TASK, INBOUND_CALL, OUTBOUND_CALL, Automatic, Level, Standing
from tests.bot import view_facts as v

ADMIN = Role.BILLING_ADMIN

# --- Alerts ------------------------------------------------------------------------------------------------


def test_a_channel_hears_what_stops_and_when_at_warning() -> None:
    """No amounts, no card: the same words for everyone."""
    shown = alerts.alert_channel(v.alert())

    assert plainly(shown.text) == (
        "The calling wallet is low. Nothing has stopped. If nobody tops up, outbound calls and AI tasks stop at "
        "about 23:40 on Mon 23 Nov, inbound calls 15 minutes later."
    )
    assert shown.attachments[0]["color"] == RED
    assert list(v.buttons_of(shown)) == ["Fix this"]


LEFT = {"balance": v.usd("0.08"), "available": v.usd("0.08"), "held": v.usd("0"), "open_holds": 0}
HELD = {"balance": v.usd("6"), "available": v.usd("0.08"), "held": v.usd("5.92"), "open_holds": 12}


@pytest.mark.parametrize(
    ("facts", "refused", "sentence"),
    [
        (
            LEFT,
            {OUTBOUND_CALL, AI_TASK},
            "New outbound calls and AI tasks can't start: $0.08 is left, a call needs $0.50. Inbound calls go on.",
        ),
        (
            HELD,
            {OUTBOUND_CALL, AI_TASK},
            "New outbound calls and AI tasks can't start: $0.08 is free, $5.92 is held for 12 running calls. Inbound "
            "calls go on.",
        ),
        (
            LEFT,
            {OUTBOUND_CALL},
            "New outbound calls can't start: $0.08 is left, a call needs $0.50. AI tasks and inbound calls go on.",
        ),
        (
            {**HELD, "available": v.usd("-19")},
            {OUTBOUND_CALL, AI_TASK, INBOUND_CALL},
            "New calls and AI tasks can't start: nothing is free, $5.92 is held for 12 running calls.",
        ),
    ],
)
def test_what_may_start_is_one_sentence_everywhere(
    facts: dict[str, Any], refused: set[str], sentence: str
) -> None:
    """Made from the permits; nobody reads that nothing has stopped, and a channel reads no amounts."""
    balance = v.balance(**facts, refused=frozenset(refused), lasts_until=None)
    low = v.alert(level=Level.CRITICAL, balance=balance)
    zero = v.zero_alert(phase=AlertPhase.CANT_START, balance=balance)

    for shown in (
        alerts.alert_person(low, ADMIN),
        alerts.alert_person(zero, ADMIN),
        status.status(StatusFacts(Role.OWNER, balance, v.automatic(), ())),
    ):
        assert sentence in plainly(shown.text)
        assert "Nothing has stopped" not in shown.text
    assert sentence in v.words_of(home.home(v.home(balance=balance))).replace("*", "")
    for channel in (alerts.alert_channel(low), alerts.alert_channel(zero)):
        head, _, rest = sentence.partition(": ")
        assert plainly(channel.text).startswith(f"{head}. {rest.partition('. ')[2]}".strip())
        assert "$" not in channel.text
        assert "Nothing has stopped" not in channel.text


def test_finance_is_offered_a_link_where_an_admin_is_offered_the_charge() -> None:
    """The same amount on both: whoever pays it approves it by that."""
    facts = v.alert(offered=v.usd("159"), automatic=v.automatic())

    assert [*v.buttons_of(alerts.alert_person(facts, ADMIN))] == [
        "Charge Visa ••4242 $159",
        "Ask someone to pay",
        "Acknowledge",
    ]
    assert [*v.buttons_of(alerts.alert_person(facts, Role.FINANCE))] == [
        "Pay $159 with a link",
        "Ask someone to pay",
        "Acknowledge",
    ]


def test_a_channel_sees_the_countdown_at_zero() -> None:
    """One message, its countdown updated in place."""
    shown = alerts.alert_channel(v.zero_alert())

    assert plainly(shown.text) == (
        "Outbound calls and AI tasks have stopped. Inbound calls stop in 11 minutes, at 14:42. "
        "Live inbound calls may finish. A payment brings everything back at once."
    )


def test_a_channel_hears_the_all_clear_in_green() -> None:
    """The same message turns green."""
    shown = alerts.alert_channel(v.clear_alert())

    assert plainly(shown.text) == (
        "Everything runs again since 14:38. Outbound calls were stopped for 6 minutes."
    )
    assert shown.attachments[0]["color"] == GREEN
    assert v.buttons_of(shown) == {}


@pytest.mark.parametrize(
    "facts", [v.alert(), v.zero_alert(), v.zero_alert(phase=AlertPhase.PAUSED), v.clear_alert()]
)
def test_a_channel_never_hears_amounts_cards_or_payers(facts: AlertFacts) -> None:
    """Channels have members without a role."""
    shown = alerts.alert_channel(facts)
    told = shown.text + v.words_of(shown) + alerts.story_line(facts, channel=True).text

    assert not any(mark in told for mark in ("$", "••", "<@", "Visa"))


def test_an_admin_hears_the_amount_at_warning() -> None:
    """With buttons that act."""
    shown = alerts.alert_person(v.alert(), ADMIN)

    assert plainly(shown.text) == (
        "The wallet is low: $41.80, enough until about 23:40 on Mon 23 Nov. Nothing has stopped. Automatic payments "
        "are off. At zero, outbound calls and AI tasks stop at once; inbound calls 15 minutes later."
    )
    charge = v.buttons_of(shown)["Charge Visa ••4242 $159"]
    assert charge["value"] == "intent-1"
    assert charge["confirm"]["text"]["text"] == "$159.00 is charged to Visa ••4242 now."
    assert v.buttons_of(shown)["Acknowledge"]["value"] == "episode-1"


def test_an_admin_hears_what_brings_everything_back_at_zero() -> None:
    """As the channel, and the money."""
    shown = alerts.alert_person(v.zero_alert(), ADMIN)

    assert "The balance is −$0.18. $10.00 or more brings everything back." in shown.text
    assert "Charge Visa ••4242 $201" in v.buttons_of(shown)


def test_an_admin_hears_who_paid_at_the_all_clear() -> None:
    """And what the stop cost."""
    shown = alerts.alert_person(v.clear_alert(), ADMIN)

    assert shown.text.startswith(
        "Everything runs again. $201.00 was paid with Visa ••1881 through the link sent to <@UFINANCE>; "
        "the balance is $199.98. Stopped for 6 minutes; grace cost $0.84."
    )
    assert "Turn on automatic payments" in v.buttons_of(shown)


def test_calls_that_run_again_below_the_warning_line_are_no_all_clear() -> None:
    """Amber, with the ways to add money; nothing says that all is well, in the thread neither."""
    low = v.alert(
        phase=AlertPhase.RESTORED, level=Level.ZERO, still_low=True, stopped_for=timedelta(minutes=6)
    )
    said = "Calls run again; the wallet is still low"
    for shown in (alerts.alert_person(low, ADMIN), alerts.alert_channel(low)):
        assert shown.text.startswith(said)
        assert [one["color"] for one in shown.attachments] == [AMBER]
        assert "Acknowledge" not in v.buttons_of(shown)
    assert "Ask someone to pay" in v.buttons_of(alerts.alert_person(low, ADMIN))
    for channel in (True, False):
        line = alerts.story_line(low, channel=channel).text
        assert said[1:] in line
        assert "everything" not in line


def test_an_acknowledged_alert_names_who_did_it() -> None:
    """The button is gone."""
    shown = alerts.alert_person(v.alert(acknowledged_by="UADMIN"), ADMIN)

    assert "Acknowledge" not in v.buttons_of(shown)
    assert "Acknowledged by <@UADMIN>" in shown.text


def test_a_critical_wallet_is_very_low() -> None:
    """The level is in the words, not in the colour alone."""
    assert "very low" in alerts.alert_channel(v.alert(level=Level.CRITICAL)).text


def test_calls_after_the_stop_are_told_as_what_they_are() -> None:
    """One critical alert."""
    assert alerts.after_stop("outbound_call", 14, ADMIN).text.startswith(
        "14 outbound calls began after the stop: the dialler isn't asking."
    )
    assert alerts.after_stop("ai_task", 1, ADMIN).text.startswith(
        "1 AI task began after the stop: whatever starts them"
    )


def test_no_grace_means_that_inbound_calls_stop_too() -> None:
    """A grace of zero is a setting."""
    facts = v.alert(balance=v.balance(grace=timedelta(0), lasts_until=None))

    assert "stop when it is empty, inbound calls with them" in alerts.alert_channel(facts).text


# --- Home and status ---------------------------------------------------------------------------------------


def test_home_has_one_danger_button_and_it_says_not_active() -> None:
    """The red button is for automatic payments that are off."""
    off = home.home(v.home(automatic=v.automatic(Automatic.OFF)))
    danger = [name for name, one in v.buttons_of(off).items() if one.get("style") == "danger"]

    assert danger == ["Not Active"]
    label = v.buttons_of(off)["Not Active"]["accessibility_label"]
    assert label == "Automatic payments are not active. Set them up."


def test_home_has_no_danger_button_once_automatic_payments_are_on() -> None:
    """It loses its colour, and the rule is said in words."""
    shown = home.home(v.home())

    assert not [one for one in v.buttons_of(shown).values() if one.get("style") == "danger"]
    assert "Below $50 → back to $200 · Visa ••4242 · 1 of 3 charges used today" in v.words_of(shown)


def test_a_new_home_asks_to_connect_in_red_and_bold() -> None:
    """Home has no colour, so a red square stands for the bar."""
    shown = home.home(v.home(balance=v.new_balance(), automatic=v.automatic(Automatic.OFF, card=None)))

    assert "🟥 *Connect your wallet*" in v.words_of(shown)
    assert list(v.buttons_of(shown))[:3] == ["Connect a card", "Add balance", "Ask someone to pay"]


def test_home_with_a_card_that_never_paid_asks_for_money() -> None:
    """The next step is another one."""
    shown = home.home(v.home(balance=v.new_balance(), automatic=v.automatic(Automatic.OFF)))

    assert "Card connected. Add money to start." in v.words_of(shown)
    assert "Connect a card" not in v.buttons_of(shown)


def test_home_of_a_funded_wallet_without_a_card_has_no_bar() -> None:
    """A line beside Not Active says it."""
    shown = home.home(v.home(automatic=v.automatic(Automatic.OFF, card=None)))

    assert "🟥" not in v.words_of(shown)
    assert "No card is connected yet." in v.words_of(shown)


def test_home_counts_down_while_grace_is_used() -> None:
    """With what brings everything back."""
    shown = plainly(v.words_of(home.home(v.home(balance=v.empty_balance()))))

    assert "🟥 Outbound calls and AI tasks have stopped. Inbound calls stop in 11 minutes, at 14:42." in shown
    assert "$10.00 or more brings everything back." in shown


def test_finance_sees_no_buttons_that_only_admins_may_press() -> None:
    """Stopping automatic payments is for finance too."""
    off = home.home(v.home(role=Role.FINANCE, automatic=v.automatic(Automatic.OFF)))
    on = home.home(v.home(role=Role.FINANCE))

    assert not {"Not Active", "People", "Alerts", "Connect a card"} & set(v.buttons_of(off))
    assert v.buttons_of(on)["Turn off"]["action_id"] == Act.AUTOMATIC_OFF


def test_a_member_reads_whom_to_ask() -> None:
    """The same whatever the wallet's state."""
    shown = home.home_for_member(v.people(), OwnCardsFacts(), Role.MEMBER, untold_since=None, zone="UTC")

    assert v.words_of(shown) == ("Billing is looked after by <@UOWNER> and <@UADMIN>.\nAsk for access")


def test_the_first_page_has_no_dead_pager_button() -> None:
    """Newer appears with the second page."""
    first = home.home(v.home())
    last = home.home(v.home(history=v.history(newer_cursor="newer:9", older_cursor=None)))

    assert "‹ Newer" not in v.buttons_of(first)
    assert "Older ›" not in v.buttons_of(last)
    assert v.buttons_of(first)["Older ›"]["value"] == "older:117"


def test_status_says_money_then_time_then_what_happens_at_zero() -> None:
    """As the storyboard has it."""
    facts = StatusFacts(Role.OWNER, v.balance(held=v.usd("0"), open_holds=0), v.automatic(), ())

    assert status.status(facts).text == (
        "$190.50 · lasts until about Wednesday 16:00 at the usual pace. Calls and AI tasks are running. Automatic "
        "payments are on: below $50 the card ••4242 is charged to bring it back to $200. If the balance reaches zero: "
        "outbound calls and AI tasks stop at once; inbound calls go on for 15 minutes."
    )


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (Basis.EARLY, "too early to say how long it lasts"),
        (Basis.IDLE, "nothing was spent lately"),
        (Basis.LONG, "lasts more than 60 days at the usual pace"),
    ],
)
def test_how_long_it_lasts_is_said_only_as_far_as_it_is_known(basis: Basis, words: str) -> None:
    """Too early, idle and long have words of their own."""
    assert lasts(v.balance(basis=basis, lasts_until=None)) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (datetime(2026, 11, 23, 23, 43, tzinfo=UTC), "about 23:40 today"),
        (datetime(2026, 11, 24, 9, 4, tzinfo=UTC), "about 09:00 tomorrow"),
        (datetime(2026, 11, 26, 11, 59, tzinfo=UTC), "about Thursday 11:00"),
        (datetime(2026, 12, 3, 11, 59, tzinfo=UTC), "about 3 December"),
    ],
)
def test_a_coming_instant_is_rounded_down(at: datetime, words: str) -> None:
    """Money runs out no later than what is said."""
    assert about(at, v.NOW, "UTC") == words


def test_a_coming_instant_is_said_in_the_wallets_zone() -> None:
    """Berlin is an hour ahead in November."""
    assert about(datetime(2026, 11, 23, 22, 43, tzinfo=UTC), v.NOW, "Europe/Berlin") == "about 23:40 today"


# --- Money in ----------------------------------------------------------------------------------------------


def test_the_payer_reads_amount_asker_reason_and_urgency() -> None:
    """And which host the code opens."""
    shown = money_in.request_to_payer(v.request(), ADMIN)

    assert plainly(shown.text) == (
        'Please pay $159.00 for the calling wallet. <@UADMIN> asks: "we\'re nearly out before the Friday campaign". '
        "Outbound calls stop at about 23:40 on Mon 23 Nov."
    )
    assert "Opens buy.stripe.com · works once · until 30 Nov" in plainly(v.words_of(shown))
    assert v.buttons_of(shown)["Pay $159.00"]["url"] == v.request().url


def test_a_paid_request_says_card_time_receipt_and_balance() -> None:
    """The balance only for those who may see it."""
    shown = money_in.request_to_payer(v.paid_request(), ADMIN)

    assert plainly(shown.text) == (
        "Paid $159.00 with Visa ••1881 through this link, Mon 23 Nov 14:31 · "
        "<https://pay.stripe.com/receipts/1|Receipt> · Balance $200.80"
    )
    assert "Balance" not in money_in.request_to_payer(v.paid_request(balance=None), ADMIN).text


@pytest.mark.parametrize("state", [one for one in RequestState if one is not RequestState.OPEN])
@pytest.mark.parametrize("to", [money_in.request_to_payer, money_in.request_to_asker])
def test_the_picture_goes_when_a_request_is_over(state: RequestState, to: object) -> None:
    """Nobody scans a code that leads nowhere."""
    assert callable(to)
    amount = None if state is RequestState.CONNECTED else v.usd("159")

    shown = to(v.request(state=state, amount=amount), ADMIN)

    assert not [one for one in shown.blocks if one["type"] == "image"]
    assert not [one for one in v.buttons_of(shown).values() if "url" in one]


def test_an_open_request_shows_its_picture_when_there_is_one() -> None:
    """The link works without it."""
    with_picture = [
        one for one in money_in.request_to_payer(v.request(), ADMIN).blocks if one["type"] == "image"
    ]
    without = money_in.request_to_payer(v.request(qr_file_id=None), ADMIN).blocks

    assert with_picture[0]["slack_file"] == {"id": "F0QR"}
    assert with_picture[0]["alt_text"].startswith("QR code")
    assert not [one for one in without if one["type"] == "image"]


def test_the_asker_hears_of_the_card_and_is_offered_automatic_payments() -> None:
    """Buying never switches them on; a person does."""
    shown = money_in.connected(replace(v.VISA, last4="1881"), None, v.request(amount=None), ADMIN)

    assert shown.text.startswith("Visa ••1881 is connected through the link sent to <@UFINANCE>.")
    assert "Turn on automatic payments" in v.buttons_of(shown)


def test_a_charge_is_confirmed_by_amount_and_card() -> None:
    """The button's verb names the amount too."""
    charge = v.alert().charge
    assert charge is not None

    shown = money_in.confirm_charge(charge)

    assert "Charge $159.00 to Visa ••4242?" in v.words_of(shown)
    assert shown["submit"]["text"] == "Charge $159.00"
    assert shown["private_metadata"] == "intent-1"


def test_an_unanswered_charge_is_not_called_failed() -> None:
    """We don't know yet, and say so."""
    text = money_in.payment_result_message(v.payment(Outcome.UNKNOWN), ADMIN).text

    assert text == (
        "Stripe hasn't answered, so we don't know yet whether $100.00 was charged. "
        "It will not be charged twice; we check every minute. Ref RB-14"
    )


def test_the_form_keeps_what_was_typed_when_the_way_to_pay_changes() -> None:
    """Slack keeps values under the same block ids."""
    ways = [money_in.add_balance_form(v.add_balance(pay_with=way), ADMIN) for way in PayWith]
    kept = [{one.get("block_id") for one in form["blocks"]} for form in ways]

    assert kept[0] & kept[1] & kept[2] == {Act.AMOUNT, Act.OTHER_AMOUNT, Act.PAY_WITH}
    assert Act.PERSON in kept[2]
    assert Act.SAVE_CARD in kept[1]


def test_an_amount_from_the_command_is_chosen_in_the_form() -> None:
    """A preset as a preset, anything else in its field."""
    preset = money_in.add_balance_form(v.add_balance(amount=v.usd("50")), ADMIN)["blocks"]
    other = money_in.add_balance_form(v.add_balance(amount=v.usd("37.50")), ADMIN)["blocks"]

    assert preset[0]["element"]["initial_option"]["value"] == "50.00"
    assert other[0]["element"]["initial_option"]["value"] == money_in.OTHER
    assert other[1]["element"]["initial_value"] == "37.50"


# --- Refusals ----------------------------------------------------------------------------------------------


def test_a_refusal_ends_with_its_reference_once() -> None:
    """What happened, and a reference to look it up."""
    assert errors.refused("Nothing was charged.", "RB-4830").text == "Nothing was charged. Ref RB-4830."
    assert errors.refused("Nothing. Ref RB-4830.", "RB-4830").text == "Nothing. Ref RB-4830."


def test_paused_home_says_that_everything_has_stopped() -> None:
    """After the grace."""
    shown = home.home(v.home(balance=v.empty_balance(standing=Standing.PAUSED)))

    assert "🟥 *All calls and AI tasks have stopped: outbound and inbound.*" in v.words_of(shown)
