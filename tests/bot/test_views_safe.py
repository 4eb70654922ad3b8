"""Text from people and platforms cannot mention, link, format or hide, whichever view shows it."""

from dataclasses import replace

import pytest

from bot.causes import PaymentUnknown
from bot.rights import Role
from bot.slack.views import errors, help, history, money_in, money_out, usage
from bot.slack.views.blocks import Message
from bot.slack.views.money_in.sentences import request_line
from bot.slack.views.text import clean, escape
from ledger import USD
from tests.bot import view_facts as v

ADMIN = Role.BILLING_ADMIN

HIDDEN = "\u200b\u200e\u202e\u2066\ufeff\u00ad\u061c\u3164\U000e0041"


def _shown() -> dict[str, Message | dict[str, object]]:
    attacked = v.request(note=v.ATTACK)
    row = v.row(reference=v.ATTACK, description=v.ATTACK, kind="sms<!here>")
    spike = v.month().spike
    assert spike is not None
    return {
        "to payer": money_in.request_to_payer(attacked, ADMIN),
        "to asker": money_in.request_to_asker(attacked, ADMIN),
        "history": history.history(v.history(rows=(row,)), USD),
        "why": usage.why(replace(spike, references=((v.ATTACK, v.usd("1")),))),
        "help": help.help_message(f'"/wallet {v.ATTACK}" isn\'t something I know.', role=ADMIN),
        "credited by hand": money_out.manual_credit(attacked, "pi_1"),
        "parked": money_out.parked("pi_1", PaymentUnknown(v.ATTACK)),
        "refused": errors.refused(f'"{v.ATTACK}" isn\'t an amount I can read.'),
    }


SHOWN = _shown()


@pytest.mark.parametrize("name", SHOWN)
def test_an_attack_is_shown_as_plain_letters(name: str) -> None:
    """Neither the blocks nor the text for notifications carry a live mark."""
    shown = SHOWN[name]
    told = v.words_of(shown) + (shown.text if isinstance(shown, Message) else "")

    assert "evil.example" in told
    assert not any(
        mark in told for mark in ("<!channel", "<!here", "<https://evil", "<@U1>", "*bold*", "_x_")
    )
    assert not any(hidden in told for hidden in "\u202e\u2066\ufeff")


def test_a_description_is_shown_as_it_was_sent_and_read_as_nothing() -> None:
    """A plain_text place does no marks and no emoji."""
    shown = history.row_details(v.row(description="*a* <b> :smile:"), "")
    sent = [one["text"] for one in shown["blocks"] if one["type"] == "section"][-1]

    assert sent == {"type": "plain_text", "text": "*a* <b> :smile:", "emoji": False}


def test_hidden_characters_are_dropped() -> None:
    """Zero-width, direction-changing and blank characters of any block."""
    assert clean(f"pay{HIDDEN}me") == "pay me"
    assert clean("a\r\n\tb\u2028c") == "a b c"
    assert clean("\ud800x") == "x"


@pytest.mark.parametrize("longest", [1, 2, 5, 6, 9, 60])
@pytest.mark.parametrize("text", ["&&&&&&&&&&&&", "a<b>c&d*e", "*" * 80, "short", ""])
def test_an_escape_is_never_cut_in_half(text: str, longest: int) -> None:
    """The limit counts what is sent, after escaping."""
    escaped = escape(text, longest)

    assert len(escaped) <= longest
    left = escaped.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert not set(left) & set("&<>;")


def test_a_text_that_fits_is_whole() -> None:
    """Only what does not fit is cut."""
    assert escape("a & b", 9) == "a &amp; b"
    assert escape("a & b", 8) == "a &amp;…"
    assert clean("abcdef", 5) == "abcd…"


def test_the_longest_texts_still_fit_a_message() -> None:
    """Eight rows of nothing but characters that grow."""
    rows = tuple(
        v.row(seq=n, reference="&" * 200, description="<" * 500, card="Visa ••4242") for n in range(8)
    )

    shown = history.history(v.history(rows=rows), USD)

    assert v.refused_by_slack(shown) == []
    assert v.refused_by_slack(money_in.request_to_payer(v.request(note="&" * 4_000), ADMIN)) == []
    assert "&amp;" not in request_line(v.request(note="&" * 200))
