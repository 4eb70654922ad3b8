"""Who looks after billing, and where alerts go: the two settings forms, and a person's request for access. Pure."""

from collections.abc import Sequence

from bot.facts import AlertsFacts, PeopleFacts
from bot.rights import Role
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    Block,
    Message,
    View,
    actions_for,
    button,
    checkbox,
    context,
    field_of,
    modal,
    option,
    plain,
    section,
)
from bot.slack.views.words import short

PEOPLE_MAX = 20
INFO_ON = "on"
"""The value of the box that switches the notice of the morning on."""


def people_form(f: PeopleFacts) -> View:
    """Give the form that appoints billing admins and finance."""
    owners = ", ".join(f"<@{one}>" for one in f.owners[:10])
    blocks = [
        section(
            "*Billing admins* may charge the saved card and change rules. *Finance* may pay by link and see "
            "everything. Both hear of alerts by direct message."
        ),
        field_of(
            "Billing admins",
            _people(Act.BILLING_ADMINS, f.billing_admins, "Pick people"),
            block_id=Act.BILLING_ADMINS,
            optional=True,
        ),
        field_of(
            "Finance", _people(Act.FINANCE, f.finance, "Pick people"), block_id=Act.FINANCE, optional=True
        ),
        context(
            "Workspace owners and admins may always do what billing admins may. Only full members of this "
            "workspace can be appointed." + (f" Owners: {owners}." if owners else "")
        ),
    ]
    return modal(Form.PEOPLE, "Who looks after billing", blocks, submit="Save", close="Not now")


def people_saved(f: PeopleFacts) -> View:
    """Say who is appointed now."""
    finance = f"Finance: {_named(f.finance)}." if f.finance else "Nobody is appointed as finance."
    line = f"*Saved.* Billing admins: {_named(f.billing_admins)}. {finance}"
    return modal(Form.NOTHING, "Who looks after billing", [section(line)])


def _named(user_ids: tuple[str, ...]) -> str:
    return ", ".join(f"<@{one}>" for one in user_ids)


def alerts_saved(channels: Sequence[str], *, info: bool) -> View:
    """Say which channels are alerted now, and whether people are told in the morning."""
    where = f"in {', '.join(f'<#{one}>' for one in channels)}" if channels else "in no channel"
    line = f"*Saved.* Alerts are posted {where}, and sent to billing admins and finance by direct message."
    morning = "They read in the morning, too, that the money ends soon." if info else ""
    return modal(Form.NOTHING, "Alerts", [section(f"{line} {morning}".strip())])


def _people(action_id: str, chosen: tuple[str, ...], placeholder: str) -> Block:
    element: Block = {
        "type": "multi_users_select",
        "action_id": action_id,
        "placeholder": plain(placeholder),
        "max_selected_items": PEOPLE_MAX,
    }
    if chosen:
        element["initial_users"] = list(chosen[:PEOPLE_MAX])
    return element


def alerts_form(f: AlertsFacts) -> View:
    """Give the form that says which channels are alerted, and when people are."""
    channels: Block = {
        "type": "multi_conversations_select",
        "action_id": Act.CHANNELS,
        "placeholder": plain("Pick channels"),
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
        "max_selected_items": 10,
    }
    if f.channels:
        channels["initial_conversations"] = list(f.channels[:10])
    blocks = [
        section(
            f"*Warning* at {short(f.warning)} or less, *critical* at {short(f.critical)} or less, and again at "
            "zero. The amounts follow the pace: a warning comes a day ahead, critical four hours."
        ),
        field_of(
            "Channels",
            channels,
            block_id=Act.CHANNELS,
            optional=True,
            hint="Channels hear what stops and when: no amounts, no cards. Invite Redbar to a channel first.",
        ),
        context(
            "Billing admins and finance hear of it by direct message, with amounts and buttons that act."
        ),
        field_of("Early notice", _morning(f), block_id=Act.INFO, optional=True),
    ]
    return modal(Form.ALERTS, "Alerts", blocks, submit="Save", close="Not now")


def _morning(f: AlertsFacts) -> Block:
    choice = option(
        f"A message in the morning while less than {f.info_hours} hours are left",
        INFO_ON,
        "To billing admins and finance. Silent while automatic payments work.",
    )
    return checkbox(Act.INFO, choice, ticked=f.info)


def access_asked(user_id: str, role: Role) -> Message:
    """Tell admins that somebody asks for access."""
    line = f"<@{user_id}> asks for access to the calling wallet. You can appoint them under People."
    return Message(text=line, blocks=[section(line), *actions_for(role, button("People", Act.PEOPLE))])
