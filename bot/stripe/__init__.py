"""The only room that speaks to Stripe."""
