"""Delivery of notices to people: who was told, who is retried, which messages were posted."""
