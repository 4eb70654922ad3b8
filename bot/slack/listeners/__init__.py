"""What people do in Slack, heard and answered: parse, call one flow, show one view."""

from slack_bolt import App

from bot.slack.listeners import buttons, commands, events, forms
from bot.slack.listeners.interaction import Context


def register(bolt: App, context: Context) -> None:
    """Register every listener; each is wrapped by the boundary."""
    commands.register(bolt, context)
    events.register(bolt, context)
    buttons.register(bolt, context)
    forms.register(bolt, context)
