"""Turns facts into texts and blocks. Pure: no client, no clock, no database."""
