"""A user's events: the log they are kept in, the bell that tells of them, their way to a socket."""
