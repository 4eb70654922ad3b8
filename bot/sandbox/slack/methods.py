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
    refused,
    view_content,
)
from bot.sandbox.slack.seed import (
    APP,
    BOT,
    BOT_USER,
    BY_ID,
    CHANNEL_BY_ID,
    PEOPLE,
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


class Methods:
    """The methods by name, each with the scope that it needs."""

    def __init__(self, state: SlackState, views: Views, tickets: Tickets, settings: SandboxSettings) -> None:
        self._state = state
        self._views = views
        self._tickets = tickets
        self._settings = settings
        self.table: Mapping[str, tuple[str, Method]] = {
            "api.test": ("", lambda params: {"args": dict(params)}),
            "auth.test": ("", self._auth_test),
            "users.info": ("users:read", self._users_info),
            "users.list": ("users:read", self._users_list),
            "conversations.open": ("im:write", self._conversations_open),
            "conversations.info": ("channels:read", self._conversations_info),
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
        user = _needed(params, "user")
        if user == BOT_USER:
            return {"user": bot_object()}
        if user not in BY_ID:
            raise Refusal("user_not_found")
        return {"user": user_object(BY_ID[user], self._state.now())}

    def _users_list(self, params: Params) -> Doc:
        now = self._state.now()
        members = [user_object(person, now) for person in PEOPLE if person.team == TEAM]
        members += [slackbot_object(), bot_object()]
        start = _number(params, "cursor", 0)
        limit = _number(params, "limit", 0) or len(members)
        rest = start + limit < len(members)
        return {
            "members": members[start : start + limit],
            "cache_ts": int(now.timestamp()),
            "response_metadata": {"next_cursor": str(start + limit) if rest else ""},
        }

    def _conversations_open(self, params: Params) -> Doc:
        users = _needed(params, "users").split(",")
        if len(users) != 1 or users[0] not in BY_ID:
            raise Refusal("user_not_found")
        return {"channel": {"id": self._state.dm_of(users[0])}}

    def _conversations_info(self, params: Params) -> Doc:
        channel = _needed(params, "channel")
        known = CHANNEL_BY_ID.get(channel)
        if known is None:
            if self._state.dm_user(channel) is None:
                raise Refusal("channel_not_found")
            return {"channel": {"id": channel, "is_im": True, "user": self._state.dm_user(channel)}}
        return {
            "channel": {
                "id": channel,
                "name": known.name,
                "is_channel": True,
                "is_private": False,
                "is_archived": self._state.is_archived(channel),
                "is_ext_shared": known.shared,
                "is_member": self._state.in_channel(BOT_USER, channel),
                "context_team_id": TEAM,
            }
        }

    # --- Messages ------------------------------------------------------------------------------------------

    def _channel(self, params: Params) -> str:
        """Find where a message goes: a channel by id or name, or a person by id for their DM."""
        wanted = _needed(params, "channel")
        if wanted in BY_ID and BY_ID[wanted].team == TEAM:
            return self._state.dm_of(wanted)
        channel = self._state.find_channel(wanted)
        if channel is None:
            raise Refusal("channel_not_found")
        if not self._state.in_channel(BOT_USER, channel):
            raise Refusal("not_in_channel")
        if self._state.is_archived(channel):
            raise Refusal("is_archived")
        return channel

    def _post_message(self, params: Params) -> Doc:
        channel = self._channel(params)
        content = {
            **message_content(params, self._state.picture_problem),
            "thread_ts": params.get("thread_ts"),
            "reply_broadcast": params.get("thread_ts") and flag_of(params, "reply_broadcast"),
        }
        message = self._state.post(channel, BOT_USER, content)
        return {"channel": channel, "ts": message["ts"], "message": message_object(message)}

    def _post_ephemeral(self, params: Params) -> Doc:
        channel = self._channel(params)
        user = _needed(params, "user")
        if not self._state.in_channel(user, channel):
            raise Refusal("user_not_in_channel")
        content = {
            **message_content(params, self._state.picture_problem),
            "thread_ts": params.get("thread_ts"),
        }
        return {"message_ts": self._state.post(channel, BOT_USER, content, only_for=user)["ts"]}

    def _update(self, params: Params) -> Doc:
        message = self._own(params, "cant_update_message")
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
        channel, ts = _needed(params, "channel"), _needed(params, "ts")
        if self._state.find_channel(channel) != channel:
            raise Refusal("channel_not_found")  # also for a user id, which only posting takes
        message = self._state.message(channel, ts)
        if message is None or message["ephemeral"]:
            raise Refusal("message_not_found")
        if message["user"] != BOT_USER:
            raise Refusal(otherwise)
        return message

    # --- Views ---------------------------------------------------------------------------------------------

    def _modal(self, params: Params) -> Doc:
        return view_content(params, slack_blocks.MODAL, self._state.picture_problem)

    def _trigger(self, params: Params) -> Trigger:
        found = self._tickets.use_trigger(_needed(params, "trigger_id"))
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
        user = _needed(params, "user_id")
        if user not in BY_ID or BY_ID[user].team != TEAM:
            raise Refusal("user_not_found")
        view = view_content(params, slack_blocks.HOME, self._state.picture_problem)
        old = self._views.home(user)
        if params.get("hash") and old is not None and params["hash"] != old["hash"]:
            raise Refusal("hash_conflict")
        return {"view": self._views.publish_home(user, view)}

    # --- Files ---------------------------------------------------------------------------------------------

    def _upload_url(self, params: Params) -> Doc:
        name, length = _needed(params, "filename"), _number(params, "length", 0)
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
        channels = [self._channel({"channel": one}) for one in places.split(",") if one]
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
        file = self._state.file(_needed(params, "file"))
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
            blocks = value if name == "blocks" else value.get("blocks", [])
            found = slack_blocks.problems(blocks, slack_blocks.MESSAGE, ask)
        if found:
            raise refused(f"invalid_{name}", found)
        return {"errors": []}


def _needed(params: Params, name: str) -> str:
    value = params.get(name)
    if value in (None, ""):
        raise missing(name)
    return str(value)


def _number(params: Params, name: str, otherwise: int) -> int:
    value = str(params.get(name) or "")
    return int(value) if value.isdigit() else otherwise


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
