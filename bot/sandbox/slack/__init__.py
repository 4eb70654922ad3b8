"""The stand-in for Slack."""
