"""What happens between a wish and a fact; flows own their transactions and know nothing of Slack or HTTP."""
