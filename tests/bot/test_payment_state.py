"""The table of payments: total, and obeyed."""

import pytest

from bot.payment_state import IN_FLIGHT, NEXT, OPEN, News, State, after


def test_every_state_answers_every_news() -> None:
    """Nothing that Stripe can say finds a payment without an answer."""
    assert set(NEXT) == set(State)
    assert all(set(row) == set(News) for row in NEXT.values())


@pytest.mark.parametrize("state", State)
def test_a_success_is_a_success_whatever_was_believed_before(state: State) -> None:
    """Money is never argued with."""
    assert after(state, News.SUCCEEDED) is State.PAID


@pytest.mark.parametrize("news", News)
def test_nothing_undoes_a_payment(news: News) -> None:
    """Late or doubled news changes nothing; refunds are payments of their own."""
    assert after(State.PAID, news) is State.PAID


@pytest.mark.parametrize("state", [State.FAILED, State.LAPSED, State.WITHDRAWN])
@pytest.mark.parametrize("news", [one for one in News if one is not News.SUCCEEDED])
def test_an_end_is_an_end_for_everything_but_money(state: State, news: News) -> None:
    """Only a success reopens what was closed."""
    assert after(state, news) is state


def test_what_is_in_flight_is_open() -> None:
    """A charge that may be happening may still bring money."""
    assert IN_FLIGHT < OPEN
