"""The Slack stand-in's Web API methods: each takes its arguments, and gives its answer or raises a Refusal."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack import blocks as slack_blocks
from bot.sandbox.slack.content import (
    Params,
    Refusal,
    flag_of,
    json_of,
    message_content,
    missing,
    needed,
    number_of,
    refused,
    view_content,
)
from bot.sandbox.slack.conversations import Conversations
from bot.sandbox.slack.seed import (
    APP,
    BOT,
    BOT_USER,
    TEAM,
    TEAM_NAME,
    bot_object,
    slackbot_object,
    user_object,
)
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import TicketProblem, Tickets, Trigger
from bot.sandbox.slack.views import STACK_MAX, Views

Method = Callable[[Params], Doc]
USERS_UNPAGED_MAX = 1_000
"""How many people Slack lists at once."""


class Methods:
    """The methods by name, each with the scope that it needs."""

    def __init__(
        self,
        state: SlackState,
        views: Views,
        tickets: Tickets,
        conversations: Conversations,
        settings: SandboxSettings,
    ) -> None:
        self._state = state
        self._conversations = conversations
        self._views = views
        self._tickets = tickets
        self._settings = settings
        self.table: Mapping[str, tuple[str, Method]] = {
            "api.test": ("", lambda params: {"args": dict(params)}),
            "auth.test": ("", self._auth_test),
            "users.info": ("users:read", self._users_info),
            "users.list": ("users:read", self._users_list),
            "conversations.open": ("im:write", conversations.open),
            "conversations.info": ("", conversations.info),
            "conversations.list": ("", conversations.list),
            "conversations.join": ("channels:join", conversations.join),
            "users.conversations": ("", conversations.of_user),
            "chat.postMessage": ("chat:write", self._post_message),
            "chat.postEphemeral": ("chat:write", self._post_ephemeral),
            "chat.update": ("chat:write", self._update),
            "chat.delete": ("chat:write", self._delete),
            "views.open": ("", self._views_open),
            "views.push": ("", self._views_push),
            "views.update": ("", self._views_update),
            "views.publish": ("", self._views_publish),
            "files.getUploadURLExternal": ("files:write", self._upload_url),
            "files.completeUploadExternal": ("files:write", self._complete_upload),
            "files.info": ("files:read", self._file_info),
            "files.delete": ("files:write", self._delete_file),
            "blocks.validate": ("", self._validate),
        }

    # --- Who -----------------------------------------------------------------------------------------------

    def _auth_test(self, params: Params) -> Doc:
        return {
            "url": self._settings.base_url + "/",
            "team": TEAM_NAME,
            "user": "redbar",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "is_enterprise_install": False,
        }

    def _users_info(self, params: Params) -> Doc:
        user = needed(params, "user")
        if user == BOT_USER:
            return {"user": bot_object()}
        person = self._state.roster.person(user)
        if person is None:
            raise Refusal("user_not_found")
        return {"user": user_object(person, self._state.now())}

    def _users_list(self, params: Params) -> Doc:
        now = self._state.now()
        machines = [slackbot_object(), bot_object()]
        people = self._state.roster.count()
        count = people + len(machines)
        start = number_of(params, "cursor", 0)
        limit = number_of(params, "limit", 0) or count
        if limit > USERS_UNPAGED_MAX and count > USERS_UNPAGED_MAX:
            raise Refusal("limit_required")
        end = min(start + limit, count)
        members = [user_object(one, now) for one in self._state.roster.members(start, end)]
        members += machines[max(0, start - people) : max(0, end - people)]
        return {
            "members": members,
            "cache_ts": int(now.timestamp()),
            "response_metadata": {"next_cursor": str(end) if end < count else ""},
        }

    # --- Messages ------------------------------------------------------------------------------------------

    def _post_message(self, params: Params) -> Doc:
        channel = self._conversations.place(params)
        thread_ts = str(params.get("thread_ts") or "")
        if thread_ts and not self._state.has_thread(channel, thread_ts):
            raise Refusal("thread_not_found")
        content = {
            **message_content(params, self._state.picture_problem),
            "thread_ts": thread_ts,
            "reply_broadcast": params.get("thread_ts") and flag_of(params, "reply_broadcast"),
        }
        message = self._state.post(channel, BOT_USER, content)
        return {"channel": channel, "ts": message["ts"], "message": message_object(message)}

    def _post_ephemeral(self, params: Params) -> Doc:
        channel = self._conversations.place(params)
        user = needed(params, "user")
        if not self._state.in_channel(user, channel):
            raise Refusal("user_not_in_channel")
        content = {
            **message_content(params, self._state.picture_problem),
            "thread_ts": params.get("thread_ts"),
        }
        return {"message_ts": self._state.post(channel, BOT_USER, content, only_for=user)["ts"]}

    def _update(self, params: Params) -> Doc:
        message = self._own(params, "cant_update_message")
        if self._state.is_archived(message["channel"]):
            raise Refusal("is_inactive")
        content = message_content(params, self._state.picture_problem)
        message = self._state.edit(message, content)
        return {
            "channel": message["channel"],
            "ts": message["ts"],
            "text": message["text"],
            "message": message_object(message),
        }

    def _delete(self, params: Params) -> Doc:
        message = self._own(params, "cant_delete_message")
        self._state.remove(message)
        return {"channel": message["channel"], "ts": message["ts"]}

    def _own(self, params: Params, otherwise: str) -> Doc:
        channel = self._conversations.of_message(params)
        message = self._state.message(channel, needed(params, "ts"))
        if message is None or message["ephemeral"]:
            raise Refusal("message_not_found")
        if message["user"] != BOT_USER:
            raise Refusal(otherwise)
        return message

    # --- Views ---------------------------------------------------------------------------------------------

    def _modal(self, params: Params) -> Doc:
        return view_content(params, slack_blocks.MODAL, self._state.picture_problem)

    def _trigger(self, params: Params) -> Trigger:
        found = self._tickets.use_trigger(needed(params, "trigger_id"))
        if isinstance(found, TicketProblem):
            raise Refusal(found.value)
        return found

    def _is_new(self, view: Doc, old: Doc | None = None) -> None:
        found = self._views.find("", view.get("external_id", "")) if view.get("external_id") else None
        if found is not None and (old is None or found[1]["id"] != old["id"]):
            raise Refusal("duplicate_external_id")

    def _views_open(self, params: Params) -> Doc:
        view = self._modal(params)
        self._is_new(view)
        return {"view": self._views.open(self._trigger(params).user, view)}

    def _views_push(self, params: Params) -> Doc:
        view = self._modal(params)
        self._is_new(view)
        trigger = self._trigger(params)
        if not trigger.in_modal:
            raise Refusal(TicketProblem.INVALID_TRIGGER.value)
        return {"view": self.push(trigger.user, view)}

    def push(self, user: str, view: Doc) -> Doc:
        """Put a checked modal on top of the open ones. Raises: Refusal."""
        if len(self._views.stack(user)) >= STACK_MAX:
            raise Refusal("push_limit_reached")
        return self._views.push(user, view)

    def modal_in_answer(self, view: object) -> Doc:
        """Check a modal that came with the answer to a submission. Raises: Refusal."""
        return self._modal({"view": view})

    def _views_update(self, params: Params) -> Doc:
        found = self._views.find(str(params.get("view_id") or ""), str(params.get("external_id") or ""))
        if found is None:
            raise Refusal("not_found")
        user, old = found
        if params.get("hash") and params["hash"] != old["hash"]:
            raise Refusal("hash_conflict")
        view = self._modal(params)
        self._is_new(view, old)
        return {"view": self._views.replace(user, old, view)}

    def _views_publish(self, params: Params) -> Doc:
        user = needed(params, "user_id")
        person = self._state.roster.person(user)
        if person is None or person.team != TEAM:
            raise Refusal("user_not_found")
        view = view_content(params, slack_blocks.HOME, self._state.picture_problem)
        old = self._views.home(user)
        if params.get("hash") and old is not None and params["hash"] != old["hash"]:
            raise Refusal("hash_conflict")
        return {"view": self._views.publish_home(user, view)}

    # --- Files ---------------------------------------------------------------------------------------------

    def _upload_url(self, params: Params) -> Doc:
        name, length = needed(params, "filename"), number_of(params, "length", 0)
        if length <= 0:
            raise missing("length")
        file = self._state.new_file(name, length, str(params.get("alt_txt") or ""))
        return {
            "upload_url": f"{self._settings.base_url}/slack/upload/{file['id']}/{file['ticket']}",
            "file_id": file["id"],
        }

    def _complete_upload(self, params: Params) -> Doc:
        asked = json_of(params, "files")
        if not isinstance(asked, list) or not asked:
            raise missing("files")
        places = str(params.get("channel_id") or params.get("channels") or "")
        channels = [self._conversations.place({"channel": one}) for one in places.split(",") if one]
        done = []
        for one in asked:
            file = self._state.file(str(one.get("id")))
            if file is None or not file["uploaded"]:
                raise Refusal("file_not_found")
            done.append(self._state.finish_file(file, one.get("title") or file["name"]))
        shown = [file_object(file, self._settings.base_url) for file in done]
        for channel in channels:
            content = {
                "text": params.get("initial_comment"),
                "files": shown,
                "thread_ts": params.get("thread_ts"),
            }
            self._state.post(channel, BOT_USER, content)
        return {"files": shown}

    def _file(self, params: Params) -> Doc:
        file = self._state.file(needed(params, "file"))
        if file is None:
            raise Refusal("file_not_found")
        return file

    def _file_info(self, params: Params) -> Doc:
        return {"file": file_object(self._file(params), self._settings.base_url)}

    def _delete_file(self, params: Params) -> Doc:
        self._state.remove_file(self._file(params)["id"])
        return {}

    # --- Blocks --------------------------------------------------------------------------------------------

    def _validate(self, params: Params) -> Doc:
        given = [name for name in ("blocks", "message", "view") if params.get(name)]
        if len(given) != 1:
            raise Refusal("invalid_arguments")
        name, value = given[0], json_of(params, given[0])
        ask = self._state.picture_problem
        if name == "view":
            found = slack_blocks.view_problems(value, value.get("type", slack_blocks.MODAL), ask)
        else:
            message = value if name == "message" else {"blocks": value}
            beside = [one.get("blocks") or [] for one in message.get("attachments") or []]
            found = [
                problem
                for blocks in (message.get("blocks") or [], *beside)
                for problem in slack_blocks.problems(blocks, slack_blocks.MESSAGE, ask)
            ]
        if found:
            raise refused(f"invalid_{name}", found)
        return {"errors": []}


def message_object(message: Mapping[str, Any]) -> Doc:
    """Give one of the bot's messages as Slack describes it to the bot."""
    made: Doc = {
        "type": "message",
        "user": BOT_USER,
        "ts": message["ts"],
        "bot_id": BOT,
        "app_id": APP,
        "text": message["text"],
        "team": TEAM,
        "bot_profile": {
            "id": BOT,
            "app_id": APP,
            "name": "Redbar",
            "deleted": False,
            "team_id": TEAM,
        },
    }
    for name in ("blocks", "attachments", "files", "thread_ts", "subtype"):
        if message[name]:
            made[name] = message[name]
    return made


def file_object(file: Mapping[str, Any], base_url: str) -> Doc:
    """Give a file as Slack describes it."""
    url = f"{base_url}/sandbox/api/files/{file['id']}"
    names = ("id", "created", "name", "title", "mimetype", "filetype", "size", "alt_txt")
    return {
        **{name: file[name] for name in names},
        "timestamp": file["created"],
        "user": BOT_USER,
        "is_public": False,
        "url_private": url,
        "url_private_download": url,
        "permalink": f"{base_url}/files/{BOT_USER}/{file['id']}",
    }
