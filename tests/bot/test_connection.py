"""The end of the connection to Slack: it waits for nothing that Slack may say."""

import threading
from pathlib import Path

from bot.sandbox.slack.seed import BOT_USER
from bot.slack.connection import SlackAccess, SlackApp, plain_client
from bot.slack.workers import threads
from tests.sandbox.slack_place import APP_TOKEN, BOT_TOKEN, Place, SettableClock, Stage


def test_a_bot_hangs_up_although_slack_says_nothing(tmp_path: Path) -> None:
    """The socket's reader waits without an end here; the library's own lets go after three seconds."""
    stage = Stage()
    place = Place(stage, SettableClock(), tmp_path)
    access = SlackAccess(
        bot_token=BOT_TOKEN, app_token=APP_TOKEN, signing_secret="", api_url=f"{place.base_url}/slack/api/"
    )
    app = SlackApp(access, plain_client(access), BOT_USER, threads())
    app.start()
    assert app._socket is not None
    session = app._socket.client.current_session
    assert session is not None
    assert session.sock is not None
    session.sock.settimeout(None)
    session.check_state()  # asks for a pong, and the reader that has it waits anew
    place.wait_for(lambda: session.last_ping_pong_time is not None)
    app.hang_up()

    stopping = threading.Thread(target=app.stop, daemon=True)
    stopping.start()
    stopping.join(10)  # the stand-in says something every twenty seconds

    assert not stopping.is_alive()
    place.close()
    stage.stop()
