"""The table of Slack's answers: every code that is known, and what every error of the SDK means."""

import inspect
from collections.abc import Mapping
from datetime import timedelta
from urllib.error import HTTPError, URLError

import pytest
import slack_sdk.errors
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookResponse

from bot.ports import NotNow, NotTold, RecipientGone
from bot.slack.answers import MEANINGS, RETRY_AFTER_MAX, Meaning, answer_of, meaning_of, retry_after
from bot.slack.failures import (
    ContentRefused,
    FileNotReady,
    NotForeseen,
    answer_to,
    problem_of,
    webhook_answer,
)

RECIPIENT, WAIT, WORKSPACE, CONTENT = Meaning.RECIPIENT, Meaning.WAIT, Meaning.WORKSPACE, Meaning.CONTENT
SHEET: Mapping[str, Mapping[str, Meaning]] = {
    "1 blocks and elements": {
        "invalid_arguments": CONTENT,
        "invalid_blocks": CONTENT,
        "invalid_message": CONTENT,
        "invalid_view": CONTENT,
        "too_many_attachments": CONTENT,
        "view_too_large": CONTENT,
    },
    "2 delivery contract": {"exchanged_trigger_id": RECIPIENT, "expired_trigger_id": RECIPIENT},
    "3 rate limits": {"hash_conflict": RECIPIENT, "user_not_in_channel": RECIPIENT},
    "4 file upload": {
        "file_type_not_allowed": CONTENT,
        "file_upload_size_restricted": CONTENT,
        "file_uploads_disabled": CONTENT,
        "file_uploads_except_images_disabled": CONTENT,
        "invalid_blocks": CONTENT,
        "slack_connect_file_link_sharing_blocked": CONTENT,
    },
    "5 who is admin": {
        "messages_tab_disabled": RECIPIENT,
        "user_disabled": RECIPIENT,
        "user_not_found": RECIPIENT,
        "user_not_visible": RECIPIENT,
    },
    "6 scopes and manifest": {"not_in_channel": RECIPIENT},
    "7 OAuth and uninstall": {
        "account_inactive": WORKSPACE,
        "invalid_auth": WORKSPACE,
        "token_revoked": WORKSPACE,
    },
    "8 UX and text safety": {"msg_blocks_too_long": CONTENT},
    "11 traps": {
        "expired_trigger_id": RECIPIENT,
        "hash_conflict": RECIPIENT,
        "ratelimited": WAIT,
        "token_revoked": WORKSPACE,
    },
    "12 learned since": {
        "cant_update_message": RECIPIENT,
        "channel_not_found": RECIPIENT,
        "edit_window_closed": RECIPIENT,
        "expired_url": RECIPIENT,
        "invalid_blocks": CONTENT,
        "is_inactive": RECIPIENT,
        "message_not_found": RECIPIENT,
        "not_in_channel": RECIPIENT,
        "used_url": RECIPIENT,
    },
}
"""The codes of answers that the fact sheet on Slack names, by its sections. It also names `operation_timeout`, which
Slack's own client shows, and the events `app_rate_limited`, `app_uninstalled` and `tokens_revoked`: no answers."""
PAGES: Mapping[Meaning, str] = {
    RECIPIENT: "cannot_dm_bot cannot_reply_to_message cant_delete_message channel_type_not_supported "
    "invalid_trigger_id is_archived not_found push_limit_reached restricted_action trigger_exchanged "
    "restricted_action_non_threadable_channel restricted_action_read_only_channel "
    "restricted_action_thread_locked restricted_action_thread_only_channel slack_connect_blocked "
    "thread_not_found users_not_found",
    WAIT: "external_channel_migrating fatal_error internal_error message_limit_exceeded rate_limited "
    "request_timeout service_unavailable team_added_to_org",
    WORKSPACE: "team_access_not_granted team_disabled team_not_found token_expired",
    CONTENT: "attachment_payload_limit_exceeded invalid_attachments invalid_blocks_format msg_too_long",
}
"""Further codes of the methods that we call, from Slack's pages of those methods."""


def test_each_known_code_has_one_row_and_its_meaning() -> None:
    """No code is missing, none has two rows, and no row is there that nobody named."""
    expected = {code: meaning for codes in SHEET.values() for code, meaning in codes.items()}
    expected |= {code: meaning for meaning, codes in PAGES.items() for code in codes.split()}
    rows = [(code, meaning) for meaning, codes in MEANINGS.items() for code in codes]
    assert len(rows) == len({code for code, _ in rows})
    assert dict(rows) == expected
    assert {code: meaning_of(code, 200) for code in expected} == expected


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        ("is_archived", 500, RECIPIENT),
        ("code_of_next_year", 200, Meaning.UNFORESEEN),
        ("missing_scope", 200, Meaning.UNFORESEEN),
        ("code_of_next_year", 429, WAIT),
        ("code_of_next_year", 500, WAIT),
        ("code_of_next_year", 499, Meaning.UNFORESEEN),
        ("", 200, WAIT),
        ("", 302, WAIT),
        ("", 404, WAIT),
        ("", 413, CONTENT),
        ("", 503, WAIT),
    ],
)
def test_a_status_counts_where_the_code_says_nothing(code: str, status: int, meaning: Meaning) -> None:
    """A known code comes first, then the status, then the defaults."""
    assert meaning_of(code, status) is meaning


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "30"}, timedelta(seconds=30)),
        ({"retry-after": 0}, timedelta(0)),
        ({"Retry-After": "86400"}, RETRY_AFTER_MAX),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_whole_seconds(headers: dict[str, object], expected: timedelta | None) -> None:
    """With a limit: nobody waits for a day because a proxy says so."""
    assert retry_after(headers) == expected


def _refused(data: object, status: int = 200, headers: dict[str, str] | None = None) -> SlackApiError:
    response = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data=data,  # type: ignore[arg-type]
        headers=headers or {},
        status_code=status,
    )
    return SlackApiError("refused", response)  # type: ignore[no-untyped-call]


PICTURE = {
    "ok": False,
    "error": "invalid_blocks",
    "response_metadata": {"messages": ["[ERROR] invalid slack file [json-pointer:/blocks/1]"]},
}
SDK: Mapping[str, tuple[Exception, Meaning]] = {
    "BotUserAccessError": (slack_sdk.errors.BotUserAccessError(), Meaning.UNFORESEEN),
    "SlackApiError": (_refused({"ok": False, "error": "is_archived"}), RECIPIENT),
    "SlackClientConfigurationError": (
        slack_sdk.errors.SlackClientConfigurationError(),
        Meaning.UNFORESEEN,
    ),
    "SlackClientError": (SlackClientError(), WAIT),
    "SlackClientNotConnectedError": (slack_sdk.errors.SlackClientNotConnectedError(), WAIT),
    "SlackObjectFormationError": (slack_sdk.errors.SlackObjectFormationError(), Meaning.UNFORESEEN),
    "SlackRequestError": (slack_sdk.errors.SlackRequestError("no answer"), WAIT),
    "SlackTokenRotationError": (
        slack_sdk.errors.SlackTokenRotationError(_refused({"ok": False, "error": "token_revoked"})),
        WORKSPACE,
    ),
}


def test_each_error_of_the_sdk_has_a_meaning() -> None:
    """An error that a later version adds fails here until somebody has chosen its meaning."""
    classes = {name for name, _ in inspect.getmembers(slack_sdk.errors, inspect.isclass)}
    assert classes == set(SDK)
    assert {name: answer_to(error).meaning for name, (error, _) in SDK.items()} == {
        name: meaning for name, (_, meaning) in SDK.items()
    }


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (_refused({"ok": False, "error": "is_archived"}), RecipientGone),
        (_refused({"ok": False, "error": "token_revoked"}), NotNow),
        (_refused({"ok": False, "error": "ratelimited"}, 429), NotNow),
        (_refused({"ok": False, "error": "invalid_blocks"}), ContentRefused),
        (_refused(PICTURE), FileNotReady),
        (_refused({"ok": False, "error": "code_of_next_year"}), NotForeseen),
        (_refused({"ok": False, "error": "Received a response in a non-JSON format: <html>"}), NotNow),
        (_refused({"ok": False, "response_metadata": ["odd"]}), NotNow),
        (_refused(None), NotNow),
        (_refused([]), NotNow),
        (HTTPError("u", 500, "failed", {}, None), NotNow),  # type: ignore[arg-type]
        (HTTPError("u", 413, "too large", {}, None), ContentRefused),  # type: ignore[arg-type]
        (URLError("no such host"), NotNow),
        (TimeoutError(), NotNow),
        (ConnectionResetError(), NotNow),
    ],
    ids=str,
)
def test_a_failure_is_raised_as_what_it_means(failure: Exception, problem: type[NotTold]) -> None:
    """Of exactly this class: a picture that is still processed is no refused block."""
    assert type(problem_of(answer_to(failure), "")) is problem


def test_a_limit_is_carried_to_who_tries_again() -> None:
    """From the header of the answer to the exception."""
    limited = _refused({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "17"})
    problem = problem_of(answer_to(limited), "")
    assert isinstance(problem, NotNow)
    assert problem.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize(
    ("status", "body", "meaning", "code"),
    [
        (404, "used_url", RECIPIENT, "used_url"),
        (404, '{"ok": false, "error": "expired_url"}', RECIPIENT, "expired_url"),
        (400, "invalid_blocks", CONTENT, "invalid_blocks"),
        (200, '{"ok": false, "error": "invalid_blocks"}', CONTENT, "invalid_blocks"),
        (429, "rate_limited", WAIT, "rate_limited"),
        (500, "server_error", WAIT, "server_error"),
        (500, "", WAIT, ""),
        (404, "<html>", WAIT, ""),
        (404, "[" * 100_000, WAIT, ""),
    ],
)
def test_a_response_url_answers_by_its_status(status: int, body: str, meaning: Meaning, code: str) -> None:
    """The SDK raises nothing for it."""
    found = webhook_answer(WebhookResponse(url="", status_code=status, body=body, headers={}))
    assert found is not None
    assert (found.meaning, found.code) == (meaning, code)


@pytest.mark.parametrize("body", ["ok", "", '{"ok": true}', "[]"])
def test_a_response_url_that_took_the_answer_refuses_nothing(body: str) -> None:
    """Whatever it writes beside its status."""
    assert webhook_answer(WebhookResponse(url="", status_code=200, body=body, headers={})) is None


def test_an_answer_keeps_its_code_for_the_row() -> None:
    """A code where there is one, and no sentence of a proxy's."""
    assert answer_of({"error": "ratelimited"}, 429, {}).why == "ratelimited"
    assert answer_of({"error": "<html> a page"}, 200, {}).why == "no_answer"
