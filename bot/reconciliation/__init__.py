"""Stripe and the books compared, and what a person decides about a difference."""
