"""An answer that does not arrive whole: the connection breaks before its content, or in the middle of it."""

from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send


class _BrokenAnswer(ASGIResponse):
    """Promises more than it sends, so that the server breaks the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % (len(self.body) + 2))]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        if self.body:
            await send({"type": "http.response.body", "body": self.body, "more_body": True})


class BrokenLine(Response[bytes]):
    """Sends its content and breaks the connection; without content, no more than the head arrives."""

    def to_asgi_response(self, *args: Any, **more: Any) -> ASGIResponse:
        """Give the answer as the server sends it."""
        return _BrokenAnswer(body=self.content, status_code=self.status_code or 200)
