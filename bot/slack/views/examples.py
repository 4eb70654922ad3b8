"""An example of every surface in every state, for whoever wants to have all of them judged."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.causes import Amount, OnlyInBooks, PaymentUnknown
from bot.change_facts import AbsenceFacts, SettingsChangeFacts
from bot.facts import AlertsFacts, OwnCardsFacts, RequestState, StatusFacts
from bot.notices import CameBack
from bot.rights import Role
from bot.slack.views import (
    alerts,
    automatic,
    cards,
    changes,
    errors,
    failed_charges,
    forms,
    help,
    history,
    home,
    money_in,
    money_out,
    status,
    unreached,
    usage,
)
from bot.slack.views import example_facts as v
from bot.slack.views.blocks import Message
from bot.states.alert import AlertPhase
from bot.states.alert_channel import ChannelPresence
from bot.states.card_slot import CardSlot
from bot.states.dispute import DisputeStatus
from bot.states.payment import Outcome, PayWith
from bot.states.recharge import AWAITED, RechargePhase
from ledger import USD, Automatic, CapWindow, Level, Money, Standing

ADMIN = Role.BILLING_ADMIN

Shown = Message | dict[str, Any]


def _homes() -> Iterator[tuple[str, Shown]]:
    yield "home open", home.home(v.home())
    yield "home off", home.home(v.home(automatic=v.automatic(Automatic.OFF)))
    yield "home paused rule", home.home(v.home(automatic=v.automatic(Automatic.PAUSED, backup=v.BACKUP)))
    yield "home finance", home.home(v.home(role=Role.FINANCE, automatic=v.automatic(Automatic.OFF)))
    yield "home requests", home.home(v.home(requests=(v.request(), v.request(amount=None)) * 4))
    yield "home no card", home.home(v.home(automatic=v.automatic(Automatic.OFF, card=None)))
    new = v.home(balance=v.new_balance(), automatic=v.automatic(Automatic.OFF, card=None))
    nothing = v.history(rows=(), older_cursor=None)
    new = replace(new, history=nothing, month=replace(v.month(), spent=v.usd("0"), spike=None))
    yield "home new", home.home(new)
    yield "home new with card", home.home(replace(new, automatic=v.automatic(Automatic.OFF)))
    for standing in (Standing.GRACE, Standing.PAUSED):
        yield (
            f"home {standing}",
            home.home(v.home(balance=v.empty_balance(standing=standing, after_stop_count=14))),
        )
    yield "home other kind", home.home(v.home(history=v.history(kind="sms", newer_cursor="newer:9")))
    yield "home, key refused", home.home(v.home(key_refused_at=v.NOW))
    yield "home, nobody told", home.home(v.home(untold_since=v.NOW))
    yield (
        "home member",
        home.home_for_member(v.people(), OwnCardsFacts(), Role.MEMBER, untold_since=None, zone="UTC"),
    )
    yield "home elsewhere", home.home_elsewhere()


def _statuses() -> Iterator[tuple[str, Shown]]:
    for balance in (v.balance(), v.new_balance(), v.empty_balance()):
        for state in Automatic:
            facts = StatusFacts(
                Role.FINANCE, balance, v.automatic(state), (v.request(), v.request(amount=None))
            )
            yield f"status {balance.standing} {state}", status.status(facts)
        refused = StatusFacts(Role.OWNER, balance, v.automatic(), (), key_refused_at=v.NOW)
        yield f"status {balance.standing}, key refused", status.status(refused)
    many = StatusFacts(Role.OWNER, v.balance(), v.automatic(), (v.request(),) * 30)
    yield "status many requests", status.status(many)
    yield "whom to ask", status.whom_to_ask(v.people(), Role.MEMBER)
    yield "nobody to ask", status.whom_to_ask(v.people(owners=(), billing_admins=()), Role.MEMBER)
    yield "not here", status.not_here()


def _money_in() -> Iterator[tuple[str, Shown]]:
    for way in PayWith:
        yield (
            f"add {way}",
            money_in.add_balance_form(v.add_balance(pay_with=way, brings_back=v.usd("10")), ADMIN),
        )
    yield (
        "add with a note",
        money_in.add_balance_form(v.add_balance(pay_with=PayWith.ASK, note="So much a day."), ADMIN),
    )
    yield (
        "add without card",
        money_in.add_balance_form(v.add_balance(card=None, pay_with=PayWith.PAGE), ADMIN),
    )
    yield "add finance", money_in.add_balance_form(v.add_balance(), Role.FINANCE)
    yield "add typed amount", money_in.add_balance_form(v.add_balance(amount=v.usd("37.50")), ADMIN)
    charge = v.alert().charge
    assert charge is not None
    yield "confirm charge", money_in.confirm_charge(charge)
    yield "confirm large", money_in.confirm_charge(replace(charge, amount=v.usd("9999999999.99")))
    for amount in (v.usd("50"), None):
        facts = v.offer(amount=amount, saves_card=True)
        yield f"offer page {amount}", money_in.offer_view(facts)
        yield f"offer message {amount}", money_in.offer_message(replace(facts, qr_file_id=None))
    yield "connect", money_in.connect_form(v.offer(amount=None))
    yield "connect without page", money_in.connect_form(None)
    yield "working", money_in.working("Connecting a card to the wallet")
    for outcome in Outcome:
        yield f"result {outcome}", money_in.payment_result(v.payment(outcome), ADMIN)
        yield f"result message {outcome}", money_in.payment_result_message(v.payment(outcome), ADMIN)
    for state in RequestState:
        amounts: dict[RequestState, list[Money | None]] = {
            RequestState.PAID: [v.usd("159")],
            RequestState.CONNECTED: [None],
        }
        for asked in amounts.get(state, [v.usd("159"), None]):
            facts_of = v.request(state=state, amount=asked, withdrawn_by="UADMIN", balance=v.usd("3"))
            yield f"to payer {state} {asked}", money_in.request_to_payer(facts_of, ADMIN)
            yield f"to asker {state} {asked}", money_in.request_to_asker(facts_of, ADMIN)
    yield "nobody named", money_in.request_to_asker(v.request(payer_id="", asker_id="", note=""), ADMIN)
    yield "requests", money_in.request_list([v.request(), v.request(amount=None)], Role.FINANCE, "UFINANCE")
    yield "no requests", money_in.request_list([], Role.OWNER, "")
    yield "connected", money_in.connected(v.VISA, v.VISA, v.request(amount=None), ADMIN)
    yield "connected by oneself", money_in.connected(v.VISA, v.VISA, None, ADMIN)
    yield "connected a backup", money_in.connected(v.BACKUP, v.VISA, v.request(amount=None), ADMIN)
    yield "connected a spare", money_in.connected(v.SPARE, None, None, ADMIN)
    yield "copy", money_in.copy_link(v.request())
    yield "copy card", money_in.copy_link(v.request(amount=None))
    for state in RequestState:
        yield f"no link {state}", money_in.no_link(v.request(state=state))
    yield "twice", money_in.paid_twice(v.paid_request())


def _automatic() -> Iterator[tuple[str, Shown]]:
    yield "form", automatic.automatic_form(v.automatic_form())
    yield (
        "form on",
        automatic.automatic_form(v.automatic_form(current=v.automatic(backup=v.BACKUP), cards=(v.VISA,))),
    )
    yield "form no card", automatic.automatic_form(v.automatic_form(cards=()))
    yield "confirm", automatic.confirm_automatic(v.automatic_confirm())
    yield "confirm later", automatic.confirm_automatic(v.automatic_confirm(charges_now=None))
    for state in Automatic:
        yield f"state {state}", automatic.automatic_state(v.automatic(state), ADMIN)
        for after in Automatic:
            changed = automatic.rule_changed("UADMIN", v.automatic(state), v.automatic(after), role=ADMIN)
            yield f"changed {state} {after}", changed
    for phase in RechargePhase:
        for pay in (None, v.request(asker_id="", payer_id="")):
            failure = v.failure(phase=phase, pay=pay)
            yield f"failed {phase} {pay is None}", failed_charges.charge_failed(failure, ADMIN)
    for phase in sorted(AWAITED):
        yield f"news {phase}", failed_charges.news_of_charge(v.failure(phase=phase))
    yield "paid though ended", failed_charges.paid_twice(v.failure())
    yield "recharged", automatic.recharged(v.payment())
    for held in ("day_count", "day_cap", "month_cap", "cut"):
        yield f"capped {held}", automatic.capped(held, ADMIN)


def _alerts() -> Iterator[tuple[str, Shown]]:
    stages = {
        "warning": v.alert(),
        "critical": v.alert(level=Level.CRITICAL, charge=None, acknowledged_by="UADMIN"),
        "counting": v.zero_alert(),
        "paused": v.zero_alert(phase=AlertPhase.PAUSED),
        "restored": v.clear_alert(),
        "restored, stopped anew": v.clear_alert(stopped_anew=True),
        "recovered": v.clear_alert(phase=AlertPhase.RECOVERED, level=Level.WARNING, stopped_for=None),
    }
    for name, facts in stages.items():
        yield f"channel {name}", alerts.alert_channel(facts)
        yield f"person {name}", alerts.alert_person(facts, ADMIN)
        yield f"finance {name}", alerts.alert_person(replace(facts, offered=v.usd("159")), Role.FINANCE)
        yield f"story {name}", alerts.story_line(facts, channel=False)
        yield f"channel story {name}", alerts.story_line(facts, channel=True)
    yield "after stop", alerts.after_stop("outbound_call", 14, ADMIN)


def _others() -> Iterator[tuple[str, Shown]]:
    yield "usage", usage.usage(v.month(), v.balance())
    yield (
        "usage of a whole month",
        usage.usage(v.month(running=False, months=("2026-12", "2026-11")), v.balance()),
    )
    yield "usage of nothing", usage.usage(v.month(spent=v.usd("0"), spike=None, days=()), v.new_balance())
    spike = v.month().spike
    assert spike is not None
    yield "why", usage.why(replace(spike, references=(("camp-118", v.usd("61.20")), ("", v.usd("9")))))
    yield "why without references", usage.why(spike)
    for usual in (None, v.usd("30.06")):
        for references in ((), (("", v.usd("9")), ("camp-118", v.usd("61.20")))):
            for lasts in (True, False):
                seen = replace(spike, usual=usual, references=references)
                name = f"{usual} {len(references)} {lasts}"
                yield f"spike seen {name}", usage.spike_seen(seen, ADMIN, lasts=lasts)
                yield f"spike explained {name}", usage.why(seen)
                yield f"spike row {name}", usage.usage(v.month(spike=seen), v.balance())
    yield "history", history.history(v.history(kind="outbound_call", month="2026-11"), USD)
    yield "history of nothing", history.history(v.history(rows=(), older_cursor=None), USD)
    yield "row", history.row_details(v.row(), "")
    yield "row with receipt", history.row_details(v.recharge_row(), "https://pay.stripe.com/receipts/1")
    yield "people", forms.people_form(v.people())
    yield "people, nobody", forms.people_form(v.people(owners=(), billing_admins=(), finance=()))
    for ticked in (False, True):
        limits = (v.usd("50"), v.usd("12.50"), ticked, 336)
        yield f"alerts {ticked}", forms.alerts_form(AlertsFacts(("C1",), *limits))
        yield f"alerts, no channel {ticked}", forms.alerts_form(AlertsFacts((), *limits))
        yield f"alerts saved {ticked}", forms.alerts_saved(["C1"], info=ticked)
    for role in (ADMIN, Role.FINANCE, Role.MEMBER):
        for stoppable in (False, True):
            who = f"{role} {stoppable}"
            yield (
                f"role {who}",
                changes.role_changed("UADMIN", "UNEW", None, Role.FINANCE, role, stoppable=stoppable),
            )
            for info in (None, stoppable):
                yield (
                    f"channels {who} {info}",
                    changes.channels_changed("UADMIN", ["C1", "C2"], ["C3"], info, role, stoppable=stoppable),
                )
            slots = [(CardSlot.MAIN, "Visa ••4242", "Visa ••1881"), (CardSlot.BACKUP, "", "Visa ••4242")]
            yield f"cards arranged {who}", cards.arranged(slots, "UADMIN", role, stoppable=stoppable)
            yield (
                f"card connected {who}",
                cards.connected(v.VISA, v.BACKUP, "UFIN", role, stoppable=stoppable),
            )
    for presence in ChannelPresence:
        yield f"channel {presence}", changes.channel_away("C1", presence, ADMIN)
    for state in Automatic:
        for role in (ADMIN, Role.OWNER):
            away, absence = CameBack(v.NOW, v.NOW), AbsenceFacts(v.usd("5"), 2, state, "UTC")
            yield f"came back {state} {role}", unreached.came_back(away, absence, role)
    yield "access", forms.access_asked("UMEMBER", ADMIN)
    yield "help", help.help_message(role=ADMIN)
    yield "help with a reason", help.help_message('"/wallet topp" isn\'t something I know.', role=ADMIN)
    yield "refused", errors.refused("Nothing was charged.", "RB-1")
    yield "incident", errors.incident("RB-2")


def _cards() -> Iterator[tuple[str, Shown]]:
    for stopped in (False, True):
        for main in ("", "Visa ••5100"):
            yield (
                f"card gone {stopped} {main}",
                cards.gone(
                    "Visa ••4242", actor="UADMIN" if main else "", stopped=stopped, main=main, role=ADMIN
                ),
            )
    yield "card removed", cards.removed()
    for off in (True, False):
        yield f"charges switched {off}", automatic.charges_switched(off=off, role=ADMIN)
    for stopped_rule in (None, v.RULE):
        facts = SettingsChangeFacts(stopped_rule is None, "JPY", ("hold ¥0.50 → ¥50",), stopped_rule)
        yield f"settings changed {stopped_rule}", status.settings_changed(facts, ADMIN)
    for hours in (1, 6):
        yield (
            f"confirmation due {hours}",
            failed_charges.news_of_charge(v.failure(phase=RechargePhase.CONFIRM, waited_hours=hours)),
        )
    for window in CapWindow:
        for role in (ADMIN, Role.FINANCE):
            yield f"one charge left {window} {role}", automatic.cap_near(window, role)
    for hours in (72, 336):
        for state in Automatic:
            shown = alerts.runway_short(v.balance(), v.automatic(state), hours, ADMIN)
            yield f"runway short {hours} {state}", shown
    yield "card removed in a form", cards.removed_view()
    for days in (30, 7, 1, 0):
        yield f"card expiring {days}", cards.expiring("Visa ••4242", days, automatic=days > 5, role=ADMIN)
    yield "connect with cards", money_in.connect_form(v.offer(amount=None), [v.VISA, v.BACKUP])
    changed = (v.automatic(Automatic.OFF), v.automatic())
    member = Role.MEMBER
    yield "rule changed, own card", automatic.rule_changed("UADMIN", *changed, role=member, own=v.VISA)
    yield "rule changed, no role", automatic.rule_changed("UADMIN", *changed, role=member)
    for uses in (False, True):
        own = OwnCardsFacts((v.VISA, v.BACKUP), uses)
        yield f"own cards {uses}", cards.own_cards(own, member)
        yield (
            f"home with own cards {uses}",
            home.home_for_member(v.people(), own, member, untold_since=v.NOW, zone="UTC"),
        )


def _money_out() -> Iterator[tuple[str, Shown]]:
    for failed in (False, True):
        yield f"refund failed={failed}", money_out.refunded(v.refund(failed=failed))
    yield "refund of an unknown card", money_out.refunded(v.refund(card=""))
    for step in DisputeStatus:
        for state in Automatic:
            yield f"dispute {step} {state}", money_out.disputed(v.dispute(step, automatic=state), ADMIN)
    for paused in (True, False):
        cause = OnlyInBooks(name="RB-7", ours=Amount(5_000_000, "USD"))
        yield (
            f"books differ, paused {paused}",
            money_out.books_differ(3, "pi_1", cause, paused=paused, role=ADMIN),
        )
    yield "key refused", status.key_refused()
    yield "key accepted", status.key_accepted()
    paid = v.request(
        state=RequestState.PAID, balance=v.usd("230"), paid_with="Visa ••4242", note="paid in advance"
    )
    yield "credited by hand", money_out.manual_credit(paid, "pi_1")
    yield "parked", money_out.parked("pi_1", PaymentUnknown("RB-9"))
    yield "dispute without a date", money_out.disputed(v.dispute(due_by=None, paid_at=None, card=""), ADMIN)


def examples() -> Mapping[str, Shown]:
    """Give every surface by a name: a message, or a view of Home or of a form."""
    groups = (_homes, _statuses, _money_in, _money_out, _cards, _automatic, _alerts, _others)
    return dict(one for group in groups for one in group())
