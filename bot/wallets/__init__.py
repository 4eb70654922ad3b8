"""A workspace, its wallet, its people and its rules."""
