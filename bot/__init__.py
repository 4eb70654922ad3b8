"""Everything that talks: Slack, Stripe, HTTP, the scheduler, and the flows between a wish and a fact."""
