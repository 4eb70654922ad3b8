"""HTTP clients that speak to this machine alone."""

import ssl

import httpx

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no certificate: reading those that are trusted takes as long as a hundred requests, and http needs none."""


def loopback(
    base_url: str = "", *, timeout: float = 30, headers: dict[str, str] | None = None
) -> httpx.Client:
    """Make a client for http on this machine, which knows no proxy. `timeout` is in seconds."""
    return httpx.Client(base_url=base_url, timeout=timeout, headers=headers, trust_env=False, verify=NO_TLS)


def async_loopback(base_url: str = "", *, timeout: float = 30) -> httpx.AsyncClient:
    """Make the same for an event loop."""
    return httpx.AsyncClient(base_url=base_url, timeout=timeout, trust_env=False, verify=NO_TLS)
