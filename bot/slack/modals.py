"""Forms in Slack: opened with the trigger of a press, then changed by their id. Failures are raised as what they mean.

Source: docs.slack.dev/surfaces/modals. A trigger opens one form, within three seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk import WebClient

from bot.ports import RecipientGone
from bot.slack.failures import asking
from bot.slack.views.blocks import View
from ledger import assert_outside_transaction

ACKNOWLEDGED_WAITS = (0.1, 0.4, 1.0)
"""Seconds: Slack shows a form that came with an acknowledgement once it has read that. Until then it is not found."""
STACK_MAX = 3
"""How many forms Slack keeps on top of each other."""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """A form in front of somebody, by the id that Slack gave it or, until Slack has said that, by one of ours."""

    view_id: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class ShownForm:
    """A form after a change; its hash names what it shows now."""

    form: OpenForm
    hash: str


class Modals:
    """Opens and changes forms in one workspace."""

    def __init__(self, client: WebClient, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep

    def open(self, trigger_id: str, view: View) -> OpenForm:
        """Open a form. Raises: NotTold."""
        assert_outside_transaction()
        with asking():
            answer = self._client.views_open(trigger_id=trigger_id, view=view)
        return OpenForm(str(answer["view"]["id"]))

    def push(self, trigger_id: str, view: View) -> OpenForm:
        """Put a form on top of the one that was pressed or sent in. Raises: NotTold."""
        assert_outside_transaction()
        with asking():
            answer = self._client.views_push(trigger_id=trigger_id, view=view)
        return OpenForm(str(answer["view"]["id"]))

    def change(self, form: OpenForm, view: View, *, instead_of: str | None = None) -> ShownForm:
        """Show something else in a form. Raises: NotTold; RecipientGone, where it is closed.

        With the hash of what the form is shown `instead_of`, a form that shows something else meanwhile is left as it
        is: RecipientGone too.
        """
        for wait in ACKNOWLEDGED_WAITS if form.external_id else ():
            try:
                return self._change(form, view, instead_of)
            except RecipientGone:
                self._sleep(wait)
        return self._change(form, view, instead_of)

    def _change(self, form: OpenForm, view: View, instead_of: str | None) -> ShownForm:
        assert_outside_transaction()
        named = {"external_id": form.external_id} if form.external_id else {"view_id": form.view_id}
        with asking():
            answer = self._client.views_update(**named, view=view, hash=instead_of)
        return ShownForm(OpenForm(str(answer["view"]["id"])), str(answer["view"]["hash"]))
