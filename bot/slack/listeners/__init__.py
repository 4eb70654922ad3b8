"""What people do in Slack, heard and answered: parse, call one flow, show one view."""

from slack_bolt import App

from bot.slack.listeners import buttons, commands, events, forms
from bot.slack.listeners.boundary import Front


def register(bolt: App, front: Front) -> None:
    """Register every listener; each is wrapped by the front's guards."""
    commands.register(bolt, front)
    events.register(bolt, front)
    buttons.register(bolt, front)
    forms.register(bolt, front)
