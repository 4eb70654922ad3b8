"""Forms sent in. Slack is answered at once: with what is wrong with a field, or with "Working…" on top of the form.

What can be judged from the form alone is judged before the acknowledgement. All else asks the database, Slack or
Stripe, and may take longer than Slack's three seconds. So the acknowledgement shows "Working…", and the work fills that
in: with the next form, with the result, or with a refusal. Under a refusal, the form keeps what was filled in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from slack_bolt import Ack, App

from bot.payments.top_ups import OverDailyLimit
from bot.rights import Action
from bot.slack.access import FORM_RIGHT, WAY_RIGHT
from bot.slack.ids import Act, Form
from bot.slack.listeners import actions
from bot.slack.listeners.boundary import SlowWork, Task, log_incident, start
from bot.slack.listeners.interaction import Body, Context, Interaction, depth_of
from bot.slack.modals import STACK_MAX, OpenForm
from bot.slack.views import automatic as automatic_views
from bot.slack.views import errors, money_in
from bot.slack.views import forms as form_views
from bot.slack.views.blocks import View
from bot.slack.views.changes import channel_refused
from bot.slack.views.conversion import as_view
from bot.states.payment import PayWith
from bot.surfaces.automatic import automatic_confirm, automatic_facts
from bot.surfaces.snapshot import currency_of
from bot.wallets.channel_watch import ChannelsAway
from ledger import (
    AmountUnreadable,
    Currency,
    Money,
    PolicyUnfit,
    RechargeRule,
    Refused,
    new_id,
    parse_amount,
    scale_of,
)

Values = dict[str, dict[str, dict[str, Any]]]
OTHER = "other"
NO_BACKUP = automatic_views.NO_BACKUP


class FieldsWrong(Refused):
    """Fields of a form cannot be used; each sentence is shown under its field."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems.values()))


Check = Callable[[Values, str], object]
"""Reads the fields of a form, and what the form keeps in its `private_metadata`; asks nobody. Refuses: FieldsWrong."""
Work = Callable[[Interaction, Values], SlowWork | None]


@dataclass(frozen=True, slots=True)
class Submission:
    """What follows when a form is sent in."""

    work: Work
    check: Check | None = None
    """What is judged before the acknowledgement; the work judges it again."""
    confirms: bool = False
    """The answer takes the place of the form: going back to it would confirm a second time."""


def register(bolt: App, context: Context) -> None:
    """Register the submissions, each with its right."""
    for form in Form:
        right = FORM_RIGHT[form]
        if right is not None:
            bolt.view(str(form))(_listener(context, right, WORK[form]))


def _listener(context: Context, right: Action, submission: Submission) -> Callable[..., None]:
    def hear(ack: Ack, body: Body) -> None:
        try:
            values = body["view"]["state"]["values"]
            if submission.check is not None:
                submission.check(values, str(body["view"].get("private_metadata") or ""))
        except FieldsWrong as refusal:
            ack(response_action="errors", errors=refusal.problems)
            return
        except Exception:  # noqa: BLE001 - a form that breaks says so, and Slack is answered all the same
            ack(response_action="update", view=as_view(errors.incident(log_incident())))
            return
        waiting = OpenForm(external_id=str(new_id()))
        instead = submission.confirms or depth_of(body["view"]) >= STACK_MAX
        view = {**money_in.working(_title(body["view"])), "external_id": waiting.external_id}
        ack(response_action="update" if instead else "push", view=view)
        # How somebody pays decides what they need to be let in for.
        needed = WAY_RIGHT.get(_chosen(values, Act.PAY_WITH), right)
        task = Task(needed, lambda interaction: submission.work(interaction, values))
        start(Interaction(context, body, waiting), task)

    return hear


def _in_currency(read: Callable[[Values, Currency], object]) -> Check:
    """Read the fields of a form that keeps its currency."""

    def check(values: Values, private: str) -> None:
        try:
            currency = Currency.of(private)
        except Refused:
            return  # a form that was opened before forms kept it: the work judges its fields
        read(values, currency)

    return check


def _title(view: View) -> str:
    return str((view.get("title") or {}).get("text") or "Redbar")


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


def read_amount(values: Values, currency: Currency) -> Money:
    """Read how much is to be added, and see that somebody is named who pays it. Refuses: FieldsWrong."""
    field = Act.OTHER_AMOUNT if _chosen(values, Act.AMOUNT) == OTHER else Act.AMOUNT
    amount = _money(values, field, currency)
    if _chosen(values, Act.PAY_WITH) == PayWith.ASK and not _chosen(values, Act.PERSON):
        raise FieldsWrong({str(Act.PERSON): "Pick who should pay."})
    return amount


def add_balance(interaction: Interaction, values: Values) -> SlowWork | None:
    """Go on by the way of paying that was chosen."""
    who = interaction.who
    amount = read_amount(values, currency_of(interaction.context.ledger, who.wallet_id))
    interaction.context.charges.check(who.wallet_id, amount)
    match _chosen(values, Act.PAY_WITH):
        case PayWith.CARD:
            try:
                view = money_in.confirm_charge(actions.prepare_charge(interaction, amount))
            except OverDailyLimit as refusal:
                view = actions.ask_instead(interaction, amount, str(refusal))
            interaction.fill(view)
            return None
        case PayWith.ASK:
            person_id, note = _chosen(values, Act.PERSON), _chosen(values, Act.NOTE)
            return partial(actions.ask, amount=amount, person_id=person_id, note=note)
        case _:
            saved = values.get(str(Act.SAVE_CARD), {}).get(str(Act.SAVE_CARD), {}).get("selected_options")
            saves_card = bool(saved) and interaction.may(Action.CONNECT_CARD)
            return partial(actions.offer_page, amount=amount, saves_card=saves_card)


def confirm_charge(interaction: Interaction, values: Values) -> SlowWork:
    """Charge the saved card, once."""
    one_time_action_id = str(interaction.body["view"]["private_metadata"])
    return partial(actions.charge, one_time_action_id=one_time_action_id)


# --- Automatic payments ------------------------------------------------------------------------------------

_FIELD_OF = {
    "threshold": Act.THRESHOLD,
    "target": Act.TARGET,
    "fixed": Act.TARGET,
    "per_day": Act.PER_DAY,
    "day_cap": Act.DAY_CAP,
    "month_cap": Act.MONTH_CAP,
}


def read_rule(values: Values, currency: Currency, spacing: timedelta = timedelta()) -> RechargeRule:
    """Read the rule, and see that its numbers go together. Refuses: FieldsWrong.

    The spacing is a setting of the wallet's, and no field.
    """
    per_day = _chosen(values, Act.PER_DAY)
    if not (per_day.isascii() and per_day.isdigit()) or not 1 <= int(per_day) <= 24:
        raise FieldsWrong({str(Act.PER_DAY): "Write a whole number from 1 to 24."})
    amount = _money(values, Act.TARGET, currency).micros
    adds = _chosen(values, Act.HOW) == automatic_views.ADD
    rule = RechargeRule(
        threshold_micros=_money(values, Act.THRESHOLD, currency).micros,
        target_micros=None if adds else amount,
        fixed_micros=amount if adds else None,
        per_day_max=int(per_day),
        day_cap_micros=_money(values, Act.DAY_CAP, currency).micros,
        month_cap_micros=_money(values, Act.MONTH_CAP, currency).micros,
        spacing=spacing,
    )
    if _chosen(values, Act.BACKUP) == _chosen(values, Act.CARD):
        raise FieldsWrong({str(Act.BACKUP): "The backup has to be another card."})
    try:
        rule.check(scale_of(currency.code))
    except PolicyUnfit as refusal:
        raise FieldsWrong({str(_FIELD_OF.get(refusal.field, Act.THRESHOLD)): str(refusal)}) from None
    return rule


def automatic(interaction: Interaction, values: Values) -> None:
    """Keep the rule, and ask to confirm what it means."""
    who, context = interaction.who, interaction.context
    rule = context.read(
        who.wallet_id,
        lambda snapshot: read_rule(values, snapshot.currency, snapshot.policy.recharge_spacing),
    )
    card_id, backup_id = _chosen(values, Act.CARD), _chosen(values, Act.BACKUP)
    one_time_action_id = context.rules.keep_pending(
        who.wallet_id,
        rule,
        card_id=card_id,
        backup_id="" if backup_id == NO_BACKUP else backup_id,
        actor=interaction.person,
    )
    facts = context.read(
        who.wallet_id,
        lambda snapshot: automatic_confirm(snapshot, rule, card_id, one_time_action_id),
    )
    interaction.fill(automatic_views.confirm_automatic(facts))


def confirm_automatic(interaction: Interaction, values: Values) -> SlowWork:
    """Turn the rule on. What it charges at once follows from the ledger."""
    who, context = interaction.who, interaction.context
    one_time_action_id = str(interaction.body["view"]["private_metadata"])
    context.rules.turn_on_pending(who.wallet_id, one_time_action_id, actor=interaction.person)
    facts = context.read(who.wallet_id, lambda snapshot: automatic_facts(snapshot, context.recharge))
    said = automatic_views.automatic_state(facts, who.role)
    interaction.fill(as_view(said), instead=said)

    def charge_now(interaction: Interaction) -> None:
        context.recharge.consider(interaction.who.wallet_id)
        interaction.refresh_home()

    return charge_now


# --- People and alerts -------------------------------------------------------------------------------------


def read_people(values: Values) -> tuple[list[str], list[str]]:
    """Read who are to be billing admins and finance. Refuses: FieldsWrong."""
    admins = _list(values, Act.BILLING_ADMINS, "selected_users")
    if not admins:
        raise FieldsWrong({str(Act.BILLING_ADMINS): "At least one person has to hear of the wallet."})
    return admins, _list(values, Act.FINANCE, "selected_users")


def people(interaction: Interaction, values: Values) -> None:
    """Set who is appointed."""
    who, context = interaction.who, interaction.context
    admins, finance = read_people(values)
    context.people.appoint(who.wallet_id, billing_admins=admins, finance=finance, actor=interaction.person)
    interaction.fill(form_views.people_saved(context.people.appointed(who.wallet_id)))
    interaction.refresh_home()


def alerts(interaction: Interaction, values: Values) -> None:
    """Set where alerts go, and whether people are told in the morning."""
    who, context = interaction.who, interaction.context
    channels = _list(values, Act.CHANNELS, "selected_conversations")
    # A form that was opened before forms had the box leaves it as it is.
    info = bool(_list(values, Act.INFO, "selected_options")) if str(Act.INFO) in values else None
    try:
        context.channels.choose(who.wallet_id, channels, info=info, actor=interaction.person)
    except ChannelsAway as refusal:
        said = [channel_refused(one.name, one.presence) for one in refusal.channels]
        raise FieldsWrong({str(Act.CHANNELS): " ".join(dict.fromkeys(said))}) from None
    told_early = context.read(who.wallet_id, lambda snapshot: snapshot.policy.info)
    interaction.fill(form_views.alerts_saved(channels, info=told_early))
    interaction.refresh_home()


def _list(values: Values, name: Act, key: str) -> list[str]:
    return [str(one) for one in values.get(str(name), {}).get(str(name), {}).get(key) or []]


WORK: Mapping[Form, Submission] = {
    Form.ADD_BALANCE: Submission(add_balance, _in_currency(read_amount)),
    Form.CONFIRM_CHARGE: Submission(confirm_charge, confirms=True),
    Form.AUTOMATIC: Submission(automatic, _in_currency(read_rule)),
    Form.CONFIRM_AUTOMATIC: Submission(confirm_automatic, confirms=True),
    Form.PEOPLE: Submission(people, lambda values, private: read_people(values)),
    Form.ALERTS: Submission(alerts),
}
"""What each form does that can be sent in."""
