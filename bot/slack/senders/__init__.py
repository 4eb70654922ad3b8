"""What Redbar says in Slack by itself."""
