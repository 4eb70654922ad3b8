"""The commands that a running bot carries out for the operator."""

from collections.abc import Mapping
from functools import partial

from bot.app import Redbar
from bot.control import Handler
from bot.operator import (
    charges,
    clock,
    correct,
    credit,
    deliveries,
    keys,
    reconcile,
    resume,
    settings,
    settle,
)
from bot.operator.running_bot import inside
from bot.rights import Action, Role, may

RIGHTS: Mapping[str, Action] = {
    keys.NAME: Action.MAKE_KEY,
    charges.NAME: Action.SWITCH_CHARGES,
    clock.NAME: Action.ACCEPT_CLOCK,
    reconcile.NAME: Action.RECONCILE,
    settle.NAME: Action.SETTLE,
    settings.NAME: Action.CHANGE_SETTINGS,
    credit.NAME: Action.CREDIT,
    correct.NAME: Action.CORRECT,
    deliveries.NAME: Action.SEND_AGAIN,
    resume.NAME: Action.RESUME,
}
"""The right behind each command; whoever can run one is the operator."""


def commands_of(bot: Redbar) -> dict[str, Handler]:
    """Give each command by its name, bound to a running bot."""
    context = inside(bot)
    commands = {
        keys.NAME: keys.create,
        charges.NAME: charges.switch,
        clock.NAME: clock.accept,
        reconcile.NAME: reconcile.compare,
        settle.NAME: settle.decide,
        settings.NAME: settings.change,
        credit.NAME: credit.give,
        correct.NAME: correct.lower,
        deliveries.NAME: deliveries.again,
        resume.NAME: resume.go_on,
    }
    assert all(may(RIGHTS[name], Role.OPERATOR) for name in commands)
    return {name: partial(command, context) for name, command in commands.items()}
