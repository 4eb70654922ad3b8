"""Who calls the platform API: a bearer key, found by its digest, for one wallet and some scopes."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from bot.wallets.platform_keys import key_wallet
from ledger import Ledger


@dataclass(frozen=True, slots=True)
class Caller:
    """A platform with its key's wallet and scopes."""

    wallet_id: UUID
    scopes: frozenset[str]

    def need(self, scope: str) -> "Caller":
        """Give the caller back when it has a scope. Raises: PermissionDeniedException."""
        if scope not in self.scopes:
            raise PermissionDeniedException(f"This key does not have the scope {scope!r}.")
        return self


class KeyMiddleware(AbstractAuthenticationMiddleware):
    """Finds the caller of every request under /v1."""

    def __init__(self, app: ASGIApp, ledger: Ledger) -> None:
        super().__init__(app)
        self._ledger = ledger

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Find the caller by the bearer key."""
        scheme, _, key = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise NotAuthorizedException(
                "Send the platform key as 'Authorization: Bearer rbk_…'. `redbar key create` makes one."
            )
        with self._ledger.reading() as reading:
            found = key_wallet(reading, key.strip())
        if found is None:
            raise NotAuthorizedException("This key is not known, or was revoked.")
        return AuthenticationResult(user=Caller(*found), auth=None)


def keys_of(ledger: Ledger) -> type[KeyMiddleware]:
    """Bind the middleware to a ledger, as a class: the framework copies what it is handed, and a ledger can't be."""

    class Bound(KeyMiddleware):
        def __init__(self, app: ASGIApp) -> None:
            super().__init__(app, ledger)

    return Bound
