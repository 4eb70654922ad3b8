"""The HTTP edge: platform API, Stripe's webhook, Slack's endpoint, health."""
