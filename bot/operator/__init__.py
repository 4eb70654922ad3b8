"""What the operator does from the command line: one file a command."""
