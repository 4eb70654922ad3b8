"""Forms sent in. What is wrong with a field is said under it; what charges is confirmed in a second view."""

from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import Ack, App

from bot.payments.top_ups import AmountNotTaken, OverDailyLimit
from bot.rights import Action
from bot.slack.access import FORM_RIGHT, WAY_RIGHT
from bot.slack.ids import Act, Form
from bot.slack.listeners import actions
from bot.slack.listeners.boundary import admit, guarded, log_incident, not_entitled
from bot.slack.listeners.interaction import Body, Context, Interaction
from bot.slack.views import automatic as automatic_views
from bot.slack.views import errors, money_in
from bot.slack.views.blocks import View
from bot.slack.views.changes import channel_refused
from bot.states.payment import PayWith
from bot.surfaces.automatic import automatic_confirm
from bot.surfaces.requests import offer_facts
from bot.surfaces.snapshot import currency_of
from bot.wallets.channel_watch import ChannelsAway
from bot.wallets.entitled import NotEntitled
from bot.wallets.people import CannotAsk
from ledger import (
    AmountUnreadable,
    Currency,
    Money,
    PolicyUnfit,
    RechargeRule,
    Refused,
    WalletPolicy,
    parse_amount,
)

Values = dict[str, dict[str, dict[str, Any]]]
OTHER = "other"
NO_BACKUP = automatic_views.NO_BACKUP


class FieldsWrong(Refused):
    """Fields of a form cannot be used; each sentence is shown under its field."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems.values()))


def register(bolt: App, context: Context) -> None:
    """Register the submissions, each with its right. Slack is answered with the next view, or with what is wrong."""
    for form in Form:
        right = FORM_RIGHT[form]
        if right is not None:
            bolt.view(str(form))(_listener(context, right, WORK[form]))


Work = Callable[[Interaction, Values], "Answer"]
Answer = tuple[dict[str, Any], Callable[[Interaction], None] | None]
"""How the form goes on, and the work that follows once Slack has been answered."""


def _listener(context: Context, right: Action, work: Work) -> Callable[..., None]:
    def hear(ack: Ack, body: Body) -> None:
        interaction = Interaction(context, body)
        later: Callable[[Interaction], None] | None = None
        needed = right
        try:
            context.presence.came(interaction.actor.team_id)
            values = body["view"]["state"]["values"]
            # How somebody pays decides what they need to be let in for.
            needed = WAY_RIGHT.get(_chosen(values, Act.PAY_WITH), right)
            admit(interaction, needed)
            answer, later = work(interaction, values)
            ack(**answer)
        except FieldsWrong as refusal:
            ack(response_action="errors", errors=refusal.problems)
        except NotEntitled as refusal:
            ack(
                response_action="update",
                view=_said(not_entitled(interaction, refusal).text),
            )
        except CannotAsk as refusal:
            # Over the form, so that nothing that was filled in is lost.
            ack(response_action="push", view=_said(str(refusal)))
        except Refused as refusal:
            ack(
                response_action="update",
                view=_said(errors.refused(str(refusal), getattr(refusal, "ref", "")).text),
            )
        except Exception:  # noqa: BLE001 - the boundary: a form that breaks says so, and Slack is answered all the same
            ack(response_action="update", view=_said(errors.incident(log_incident()).text))
        if later is not None:
            guarded(context, needed, later)(body)()

    return hear


def _said(text: str) -> View:
    view = money_in.working("Redbar")
    view["blocks"] = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    return view


def _update(view: View) -> dict[str, Any]:
    return {"response_action": "update", "view": view}


def _chosen(values: Values, name: Act) -> str:
    element = values.get(str(name), {}).get(str(name), {})
    option = element.get("selected_option") or {}
    return str(option.get("value") or element.get("value") or element.get("selected_user") or "")


def _money(values: Values, name: Act, currency: Currency) -> Money:
    text = _chosen(values, name)
    try:
        return parse_amount(text, currency)
    except (AmountUnreadable, Refused) as refusal:
        raise FieldsWrong({str(name): str(refusal)}) from None


# --- Add balance -------------------------------------------------------------------------------------------


def add_balance(interaction: Interaction, values: Values) -> Answer:
    """Go on by the way of paying that was chosen."""
    who = interaction.who
    currency = currency_of(interaction.context.ledger, who.wallet_id)
    other = _chosen(values, Act.AMOUNT) == OTHER
    amount = _money(values, Act.OTHER_AMOUNT if other else Act.AMOUNT, currency)
    try:
        interaction.context.charges.check(who.wallet_id, amount)
    except AmountNotTaken as refusal:
        raise FieldsWrong({str(Act.OTHER_AMOUNT if other else Act.AMOUNT): str(refusal)}) from None
    match _chosen(values, Act.PAY_WITH):
        case PayWith.CARD:
            try:
                charge = actions.prepare_charge(interaction, amount)
            except OverDailyLimit as refusal:
                return _update(actions.ask_instead(interaction, amount, str(refusal))), None
            return {"response_action": "push", "view": money_in.confirm_charge(charge)}, None
        case PayWith.ASK:
            return _ask(interaction, values, amount)
        case _:
            saved = values.get(str(Act.SAVE_CARD), {}).get(str(Act.SAVE_CARD), {}).get("selected_options")
            saves_card = bool(saved) and interaction.may(Action.CONNECT_CARD)
            working = _update(money_in.working("Add balance"))
            return working, lambda later: _make_page(later, amount, saves_card)


def _ask(interaction: Interaction, values: Values, amount: Money) -> Answer:
    person = _chosen(values, Act.PERSON)
    note = _chosen(values, Act.NOTE)
    if not person:
        raise FieldsWrong({str(Act.PERSON): "Pick who should pay."})
    try:
        interaction.context.people.require_full_member(person)
    except Refused as refusal:
        raise FieldsWrong({str(Act.PERSON): str(refusal)}) from None

    def send(interaction: Interaction) -> None:
        facts = actions.ask(interaction, amount, person, note)
        interaction.change(interaction.view_id, money_in.request_sent(facts))
        interaction.refresh_home()

    return _update(money_in.working("Ask someone to pay")), send


def _make_page(interaction: Interaction, amount: Money, saves_card: bool) -> None:
    who = interaction.who
    payment = interaction.context.payments.offer_page(
        who.wallet_id, amount, asked_by=interaction.person, saves_card=saves_card
    )
    offer = offer_facts(interaction.context.ledger, payment)
    interaction.change(interaction.view_id, money_in.offer_view(offer))


def confirm_charge(interaction: Interaction, values: Values) -> Answer:
    """Charge the saved card, once."""
    one_time_action_id = str(interaction.body["view"]["private_metadata"])

    def charge(interaction: Interaction) -> None:
        view_id = interaction.view_id
        who = interaction.who
        charges = interaction.context.charges
        try:
            payment = charges.charge(who.wallet_id, one_time_action_id, actor=interaction.person)
        except Refused as refusal:
            interaction.change(view_id, _said(str(refusal)))
            return
        interaction.change(view_id, money_in.payment_result(charges.result(payment), who.role))
        interaction.refresh_home()

    return _update(money_in.working("Charging the card")), charge


# --- Automatic payments ------------------------------------------------------------------------------------

_FIELD_OF = {
    "threshold": Act.THRESHOLD,
    "target": Act.TARGET,
    "fixed": Act.TARGET,
    "per_day": Act.PER_DAY,
    "day_cap": Act.DAY_CAP,
    "month_cap": Act.MONTH_CAP,
}


def automatic(interaction: Interaction, values: Values) -> Answer:
    """Check the rule and ask to confirm what it means."""
    who = interaction.who
    rule = interaction.context.read(
        who.wallet_id, lambda snapshot: _rule(values, snapshot.currency, snapshot.policy)
    )
    card_id, backup_id = _chosen(values, Act.CARD), _chosen(values, Act.BACKUP)
    if backup_id == card_id:
        raise FieldsWrong({str(Act.BACKUP): "The backup has to be another card."})
    try:
        one_time_action_id = interaction.context.rules.keep_pending(
            who.wallet_id,
            rule,
            card_id=card_id,
            backup_id="" if backup_id == NO_BACKUP else backup_id,
            actor=interaction.person,
        )
        facts = interaction.context.read(
            who.wallet_id,
            lambda snapshot: automatic_confirm(snapshot, rule, card_id, one_time_action_id),
        )
    except PolicyUnfit as refusal:
        raise FieldsWrong({str(_FIELD_OF.get(refusal.field, Act.THRESHOLD)): str(refusal)}) from None
    return {"response_action": "push", "view": automatic_views.confirm_automatic(facts)}, None


def _rule(values: Values, currency: Currency, policy: WalletPolicy) -> RechargeRule:
    per_day = _chosen(values, Act.PER_DAY)
    if not (per_day.isascii() and per_day.isdigit()) or not 1 <= int(per_day) <= 24:
        raise FieldsWrong({str(Act.PER_DAY): "Write a whole number from 1 to 24."})
    amount = _money(values, Act.TARGET, currency).micros
    adds = _chosen(values, Act.HOW) == automatic_views.ADD
    return RechargeRule(
        threshold_micros=_money(values, Act.THRESHOLD, currency).micros,
        target_micros=None if adds else amount,
        fixed_micros=amount if adds else None,
        per_day_max=int(per_day),
        day_cap_micros=_money(values, Act.DAY_CAP, currency).micros,
        month_cap_micros=_money(values, Act.MONTH_CAP, currency).micros,
        spacing=policy.recharge_spacing,
    )


def confirm_automatic(interaction: Interaction, values: Values) -> Answer:
    """Turn the rule on. What it charges at once follows from the ledger."""
    who = interaction.who
    one_time_action_id = str(interaction.body["view"]["private_metadata"])
    interaction.context.rules.turn_on_pending(who.wallet_id, one_time_action_id, actor=interaction.person)

    def charge_now(interaction: Interaction) -> None:
        interaction.context.recharge.consider(interaction.who.wallet_id)
        interaction.refresh_home()

    return {"response_action": "clear"}, charge_now


# --- People and alerts -------------------------------------------------------------------------------------


def people(interaction: Interaction, values: Values) -> Answer:
    """Set who is appointed."""
    who = interaction.who
    admins = _list(values, Act.BILLING_ADMINS, "selected_users")
    finance = _list(values, Act.FINANCE, "selected_users")
    if not admins:
        raise FieldsWrong({str(Act.BILLING_ADMINS): "At least one person has to hear of the wallet."})
    try:
        interaction.context.people.appoint(
            who.wallet_id, billing_admins=admins, finance=finance, actor=interaction.person
        )
    except Refused as refusal:
        raise FieldsWrong({str(Act.FINANCE): str(refusal)}) from None
    return {}, _then_home


def alerts(interaction: Interaction, values: Values) -> Answer:
    """Set where alerts go."""
    who = interaction.who
    channels = _list(values, Act.CHANNELS, "selected_conversations")
    try:
        interaction.context.channels.choose(who.wallet_id, channels, actor=interaction.person)
    except ChannelsAway as refusal:
        said = [channel_refused(one.name, one.presence) for one in refusal.channels]
        raise FieldsWrong({str(Act.CHANNELS): " ".join(dict.fromkeys(said))}) from None
    return {}, _then_home


def _then_home(interaction: Interaction) -> None:
    interaction.refresh_home()


def _list(values: Values, name: Act, key: str) -> list[str]:
    return [str(one) for one in values.get(str(name), {}).get(str(name), {}).get(key) or []]


WORK: Mapping[Form, Work] = {
    Form.ADD_BALANCE: add_balance,
    Form.CONFIRM_CHARGE: confirm_charge,
    Form.AUTOMATIC: automatic,
    Form.CONFIRM_AUTOMATIC: confirm_automatic,
    Form.PEOPLE: people,
    Form.ALERTS: alerts,
}
"""What each form does that can be sent in."""
