"""Everything that talks: Slack, Stripe, HTTP, the scheduler, and the use cases between them."""
