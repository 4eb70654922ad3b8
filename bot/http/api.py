"""The platform API: usage, authorizations, holds, the wallet. Shapes and words; all deciding is elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Router, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from litestar.status_codes import HTTP_200_OK

from bot.http.auth import Caller, keys_of
from bot.http.bodies import AuthorizationBody, CaptureBody, ExtendBody, Unread, UsageBody, id_of_path
from bot.http.openapi import AuthorizationReader, CaptureReader, ExtendReader, UsageReader
from bot.wallets.usage import Authorization, Usage, UsageItem, amount_text, permits
from ledger import (
    Busy,
    Currency,
    HoldEnded,
    HoldUnknown,
    KeyReused,
    Ledger,
    Outcome,
    Receipt,
    Refused,
    WalletPolicy,
    WalletView,
)


class PermitAnswer(msgspec.Struct):
    """Whether one kind may start."""

    allowed: bool
    reason: str
    valid_until: datetime


class WalletAnswer(msgspec.Struct):
    """The wallet as it is. Amounts are text in major units."""

    wallet_id: UUID
    currency: str
    standing: str
    balance: str
    held: str
    available: str
    grace_ends_at: datetime | None
    permits: dict[str, PermitAnswer]


class ItemAnswer(msgspec.Struct, omit_defaults=True):
    """What became of one posted item."""

    id: str
    status: str
    balance_after: str | None = None
    after_stop: bool = False
    error: str | None = None
    field: str | None = None


class UsageAnswer(msgspec.Struct):
    """What became of every posted item, and what may start now."""

    results: list[ItemAnswer]
    wallet: WalletAnswer


class HoldShape(msgspec.Struct):
    """Money set aside."""

    id: str
    amount: str
    expires_at: datetime


class AuthorizationAnswer(msgspec.Struct):
    """Whether work may start, with its hold."""

    id: str
    allowed: bool
    reason: str
    standing: str
    hold: HoldShape | None
    valid_until: datetime
    available: str
    end_by: datetime | None = None


class PlatformApi:
    """Binds the routes to one ledger."""

    def __init__(self, ledger: Ledger, usage: Usage) -> None:
        self._ledger = ledger
        self._usage = usage
        self._currencies: dict[UUID, Currency] = {}

    def wallet(self, wallet_id: UUID) -> WalletAnswer:
        """Give the wallet as it is now."""
        with self._ledger.reading() as connection:
            view, policy = self._ledger.look(connection, wallet_id)
        return wallet_answer(view, policy, self._ledger.now())

    async def post_usage(self, caller: Caller, items: Sequence[UsageBody | Unread]) -> UsageAnswer:
        """Post one usage or a batch; what could not be read is rejected in its place."""
        currency = self.currency(caller.wallet_id)
        wanted = [UsageItem(**msgspec.structs.asdict(one)) for one in items if isinstance(one, UsageBody)]
        outcomes = iter(await self._usage.post(caller.wallet_id, wanted, currency) if wanted else [])
        results = [
            _item(one.id, next(outcomes) if isinstance(one, UsageBody) else one.problem, currency)
            for one in items
        ]
        return UsageAnswer(results=results, wallet=self.wallet(caller.wallet_id))

    async def authorize(self, caller: Caller, body: AuthorizationBody) -> AuthorizationAnswer:
        """Ask whether work may start."""
        question = Authorization(**msgspec.structs.asdict(body))
        answer = await self._usage.authorize(caller.wallet_id, question, self.currency(caller.wallet_id))
        return self._hold_answer(caller, answer)

    async def extend(self, caller: Caller, hold_id: str, body: ExtendBody) -> AuthorizationAnswer:
        """Ask for more time or money for running work."""
        currency = self.currency(caller.wallet_id)
        return self._hold_answer(
            caller, await self._usage.extend(caller.wallet_id, id_of_path(hold_id), body.estimate, currency)
        )

    async def capture(self, caller: Caller, hold_id: str, body: CaptureBody) -> ItemAnswer:
        """Turn a hold into usage."""
        currency = self.currency(caller.wallet_id)
        receipt = await self._usage.capture(
            caller.wallet_id, id_of_path(hold_id), body.amount, body.quantity, body.description, currency
        )
        return _item(hold_id, receipt, currency)

    async def release(self, caller: Caller, hold_id: str) -> None:
        """Give a hold back unused."""
        await self._usage.release(caller.wallet_id, id_of_path(hold_id))

    def _hold_answer(self, caller: Caller, answer: Any) -> AuthorizationAnswer:
        wallet = self.wallet(caller.wallet_id)
        hold = None
        if answer.permit.allowed and answer.expires_at is not None:
            currency = Currency.of(wallet.currency)
            hold = HoldShape(answer.hold_id, amount_text(answer.amount_micros, currency), answer.expires_at)
        return AuthorizationAnswer(
            id=answer.hold_id,
            allowed=answer.permit.allowed,
            reason=answer.permit.reason.value,
            standing=answer.permit.standing.value,
            hold=hold,
            valid_until=answer.permit.valid_until,
            available=wallet.available,
            end_by=answer.end_by,
        )

    def currency(self, wallet_id: UUID) -> Currency:
        """Give the wallet's currency, which never changes."""
        known = self._currencies.get(wallet_id)
        if known is None:
            with self._ledger.reading() as connection:
                view, _ = self._ledger.look(connection, wallet_id)
            known = self._currencies[wallet_id] = Currency.of(view.currency)
        return known


def wallet_answer(view: WalletView, policy: WalletPolicy, now: datetime) -> WalletAnswer:
    """Shape a wallet for machines."""
    currency = Currency.of(view.currency)
    found = permits(view, policy, now)
    return WalletAnswer(
        wallet_id=view.wallet_id,
        currency=view.currency,
        standing=view.standing.value,
        balance=amount_text(view.balance_micros, currency),
        held=amount_text(view.held_micros, currency),
        available=amount_text(view.available_micros, currency),
        grace_ends_at=view.grace_ends_at,
        permits={
            kind: PermitAnswer(permit.allowed, permit.reason.value, permit.valid_until)
            for kind, permit in found.items()
        },
    )


def _item(item_id: str, outcome: Outcome, currency: Currency) -> ItemAnswer:
    if isinstance(outcome, Receipt):
        return ItemAnswer(
            id=item_id,
            status="duplicate" if outcome.duplicate else "accepted",
            balance_after=amount_text(outcome.balance_after_micros, currency),
            after_stop=outcome.after_stop,
        )
    assert isinstance(outcome, Refused)
    field = getattr(outcome, "field", None)
    return ItemAnswer(id=item_id, status="rejected", error=str(outcome), field=field)


def refusal_response(refusal: Refused) -> Response[dict[str, object]]:
    """Answer a refusal with its status, its words and, where one is to blame, the field."""
    match refusal:
        case Busy():
            status = 503
        case HoldUnknown():
            status = 404
        case KeyReused() | HoldEnded():
            status = 409
        case _:
            status = 422
    body: dict[str, object] = {"status": status, "title": type(refusal).__name__, "detail": str(refusal)}
    if field := getattr(refusal, "field", None):
        body["field"] = field
    headers = {"Retry-After": "1"} if status == 503 else {}
    return Response(body, status_code=status, media_type="application/problem+json", headers=headers)


def problem_response(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, object]]:
    """Answer what is wrong with a request as a problem document."""
    extra = getattr(error, "extra", None)
    problems = [one for one in extra if isinstance(one, dict)] if isinstance(extra, list) else []
    body: dict[str, object] = {
        "status": error.status_code,
        "title": type(error).__name__,
        "detail": error.detail,
    }
    if problems:
        body["problems"] = [
            {"field": one.get("key", ""), "detail": _detail(str(one.get("message", "")))} for one in problems
        ]
    headers = dict(error.headers or {})
    return Response(
        body, status_code=error.status_code, media_type="application/problem+json", headers=headers
    )


def _detail(message: str) -> str:
    """The framework names a body that is missing only as a missing argument."""
    return "A JSON body is needed; there is none." if message == "'data'" else message


def platform_routes(api: PlatformApi, ledger: Ledger) -> Router:
    """Give the routes under /v1; who calls is found by the middleware of `auth`."""

    @post("/usage", status_code=HTTP_200_OK, dto=UsageReader, return_dto=None)
    async def post_usage(
        request: Request[Caller, Any, Any], data: JSONBody[list[UsageBody | Unread]]
    ) -> UsageAnswer:
        """Post usage that happened: one item or a list of up to 1,000; each gets its own answer."""
        return await api.post_usage(request.user.need("usage"), data)

    @post("/authorizations", status_code=HTTP_200_OK, dto=AuthorizationReader, return_dto=None)
    async def authorize(
        request: Request[Caller, Any, Any], data: JSONBody[AuthorizationBody]
    ) -> AuthorizationAnswer:
        """Ask whether work may start; an allowed start opens a hold."""
        return await api.authorize(request.user.need("authorize"), data)

    @post("/holds/{hold_id:str}/capture", status_code=HTTP_200_OK, dto=CaptureReader, return_dto=None)
    async def capture(
        request: Request[Caller, Any, Any], data: JSONBody[CaptureBody], hold_id: FromPath[str]
    ) -> ItemAnswer:
        """Turn a hold into usage of the real amount."""
        return await api.capture(request.user.need("authorize"), hold_id, data)

    @post("/holds/{hold_id:str}/extend", status_code=HTTP_200_OK, dto=ExtendReader, return_dto=None)
    async def extend(
        request: Request[Caller, Any, Any], data: JSONBody[ExtendBody], hold_id: FromPath[str]
    ) -> AuthorizationAnswer:
        """Ask for more time, and with an estimate for more money."""
        return await api.extend(request.user.need("authorize"), hold_id, data)

    @post("/holds/{hold_id:str}/release", status_code=HTTP_200_OK)
    async def release(request: Request[Caller, Any, Any], hold_id: FromPath[str]) -> dict[str, str]:
        """Give a hold back unused."""
        await api.release(request.user.need("authorize"), hold_id)
        return {"id": hold_id, "status": "released"}

    @get("/wallet")
    async def wallet(request: Request[Caller, Any, Any]) -> WalletAnswer:
        """Give balance, standing and permits."""
        return api.wallet(request.user.need("read").wallet_id)

    return Router(
        "/v1",
        route_handlers=[post_usage, authorize, capture, extend, release, wallet],
        middleware=[keys_of(ledger)],
    )
