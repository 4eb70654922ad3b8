"""The commands that a running bot carries out for the operator."""

from functools import partial

from bot.app import Redbar
from bot.control import Handler
from bot.operator import charges, clock, correct, credit, keys, reconcile, settings, settle
from bot.operator.running_bot import inside


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
    }
    return {name: partial(command, context) for name, command in commands.items()}
