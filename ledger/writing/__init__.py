"""The one way in which money is written: batches and functions, one transaction at a time."""
