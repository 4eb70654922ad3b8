"""Money from outside: requests, charges of the saved card, refunds, and what becomes of them."""
