"""Forms in Slack: opened with the trigger of a press, then changed by their id. Failures are raised as what they mean.

What Slack refuses of a form is left out, and its words are shown. A form that has to be sent in keeps its fields: one
of which Slack refuses a field is not shown at all.

Source: docs.slack.dev/surfaces/modals. A trigger opens one form, within three seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.ports import RecipientGone
from bot.slack.content_sending import PICTURE_WAITS, ContentSending, Refusals
from bot.slack.failures import ContentRefused
from bot.slack.left_out import Content, Surface
from bot.slack.views.blocks import Block, View

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

    def __init__(
        self, client: WebClient, sleep: Callable[[float], None], refused: Refusals | None = None
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._sending = ContentSending(sleep, refused)

    def open(self, trigger_id: str, view: View) -> OpenForm:
        """Open a form. Raises: NotTold."""
        return self._send(view, lambda shown: self._client.views_open(trigger_id=trigger_id, view=shown)).form

    def push(self, trigger_id: str, view: View) -> OpenForm:
        """Put a form on top of the one that was pressed or sent in. Raises: NotTold."""
        return self._send(view, lambda shown: self._client.views_push(trigger_id=trigger_id, view=shown)).form

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
        named = {"external_id": form.external_id} if form.external_id else {"view_id": form.view_id}
        return self._send(
            view,
            lambda shown: self._client.views_update(**named, view=shown, hash=instead_of),
            PICTURE_WAITS,
        )

    def _send(
        self, view: View, send: Callable[[View], SlackResponse], waits: Sequence[float] = ()
    ) -> ShownForm:
        """Show a form without what Slack refuses. Without `waits` no picture is waited for: a trigger lasts seconds."""

        def attempt(shown: Content) -> ShownForm:
            if "submit" in view and _fields(shown.blocks) != _fields(view["blocks"]):
                raise ContentRefused("a field would be missing")
            answer = send({**view, "blocks": list(shown.blocks)})
            return ShownForm(OpenForm(str(answer["view"]["id"])), str(answer["view"]["hash"]))

        return self._sending.send(Content(Surface.MODAL, "", view["blocks"]), attempt, waits)


def _fields(blocks: Sequence[Block]) -> list[Block]:
    return [one for one in blocks if one["type"] == "input"]
