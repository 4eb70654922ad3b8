"""Facts into words and blocks. Pure: no client, no clock, no database."""
