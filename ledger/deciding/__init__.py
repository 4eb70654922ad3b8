"""Decisions on a batch of commands, made on facts that are passed in."""
