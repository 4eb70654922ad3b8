"""The Slack app's manifest: valid by Slack's published schema, and asking for nothing that isn't used."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from bot.sandbox.slack.installation import EVENTS, SCOPES
from bot.slack.ids import SHORTCUT_TOP_UP
from bot.slack.listeners.events import CHANNEL_EVENTS
from bot.slack.scopes import NEEDED

ROOT = Path(__file__).parent.parent.parent
SCHEMAS = ROOT.parent / "shared" / "data" / "slack-manifest-schema"


def _manifest() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
    return found


def test_the_manifest_is_valid_by_slacks_schema() -> None:
    """Pasting it into Slack's form works."""
    if not SCHEMAS.is_dir():
        pytest.skip("Slack's manifest schema is not beside this checkout")
    files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.rglob("*.json")}

    def retrieve(address: str) -> Resource[Any]:
        return Resource.from_contents(files[address.rpartition("/")[2]])

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    validator = jsonschema.validators.validator_for(files["manifest.schema.json"])
    problems = list(validator(files["manifest.schema.json"], registry=registry).iter_errors(_manifest()))
    assert [problem.message for problem in problems] == []


def test_it_asks_only_for_scopes_that_are_used() -> None:
    """Each scope has a method in the code that needs it; none is asked for in advance."""
    needs = {
        "commands": r"bolt\.command\(",
        "chat:write": r"chat_postMessage",
        "files:write": r"files_upload_v2",
        "users:read": r"users_info",
        "channels:read": r"conversations_info",
        "groups:read": r"conversations_info",
    }
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bot" / "slack").rglob("*.py"))
    assert set(_manifest()["oauth_config"]["scopes"]["bot"]) == set(needs)
    assert [scope for scope, pattern in needs.items() if not re.search(pattern, code)] == []


def test_every_event_and_shortcut_it_names_is_listened_to() -> None:
    """What Slack is told to send is heard."""
    manifest = _manifest()
    code = (ROOT / "bot" / "slack" / "listeners" / "events.py").read_text(encoding="utf-8")
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert set(events) == {*re.findall(r'bolt\.event\("(\w+)"\)', code), *CHANNEL_EVENTS}
    assert [one["callback_id"] for one in manifest["features"]["shortcuts"]] == [SHORTCUT_TOP_UP]
    assert [one["command"] for one in manifest["features"]["slash_commands"]] == ["/wallet"]


def test_the_stand_in_grants_what_the_manifest_asks_for() -> None:
    """So that no test passes by a scope or an event that a real workspace would not give."""
    manifest = _manifest()
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES == NEEDED
    assert tuple(manifest["settings"]["event_subscriptions"]["bot_events"]) == EVENTS
