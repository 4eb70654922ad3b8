"""Stand-ins for Slack and Stripe, with a web page to see them: they replace the outside, never the product."""
