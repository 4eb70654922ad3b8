"""The databases: one schema, and what each kind of database does its own way."""
