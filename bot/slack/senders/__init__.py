"""Messages that Redbar sends without being asked: one sender for each kind of message."""
