"""Refusals in Stripe's shape."""

from typing import Any


class StripeProblem(Exception):
    """An error answer: a status and Stripe's body."""

    def __init__(self, status: int, kind: str, message: str, *, code: str = "", **more: Any) -> None:
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **({"code": code} if code else {}), **more}}
        super().__init__(message)


def invalid(message: str, *, code: str = "", **more: Any) -> StripeProblem:
    """Give the answer to a request that makes no sense."""
    return StripeProblem(400, "invalid_request_error", message, code=code, **more)


def missing(kind: str, name: str) -> StripeProblem:
    """Give the answer for an object that isn't there."""
    return StripeProblem(
        404, "invalid_request_error", f"No such {kind}: '{name}'", code="resource_missing", param="id"
    )
