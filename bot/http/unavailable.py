"""What a request is answered while the database cannot be used: 503, when to come back, and whether it was recorded.

The platform reads what it has to do. The operator reads in health and log what is wrong, and with which file or server.
"""

from typing import Any

from litestar import Request, Response

from ledger import StoreTroubled, StoreUnusable

RETRY_AFTER_SECONDS = 2
NOT_READ = "The books cannot be read now. Ask again in a moment."
NOT_RECORDED = "The books cannot be written now: nothing was recorded. Send it again."
NOT_KNOWN = (
    "The books cannot be used now, and it is not known whether this was recorded. Send it again with the same id: it "
    "is recorded once."
)


def unavailable_response(
    request: Request[Any, Any, Any], problem: StoreUnusable
) -> Response[dict[str, object]]:
    """Answer a request that the database kept from being carried out."""
    body: dict[str, object] = {
        "status": 503,
        "title": "Unavailable",
        "detail": NOT_READ if request.method == "GET" else _of_write(request, problem),
    }
    return Response(
        body,
        status_code=503,
        media_type="application/problem+json",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _of_write(request: Request[Any, Any, Any], problem: StoreUnusable) -> str:
    if not isinstance(problem, StoreTroubled) or not problem.nothing_written:
        return NOT_KNOWN
    # An answer is read after what it tells of was written. Only before the caller is known was nothing written yet.
    return NOT_KNOWN if problem.while_reading and "user" in request.scope else NOT_RECORDED
