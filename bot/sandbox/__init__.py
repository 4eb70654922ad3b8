"""Stand-ins for Slack and Stripe with a page to see them: they replace the outside, never the inside."""
