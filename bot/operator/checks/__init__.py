"""What `redbar check` looks at: one file for each side of the setup. Nothing is written anywhere."""
