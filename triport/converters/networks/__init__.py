"""Networks that a user names on the command line: what NET and SPEC say, and what a factory makes."""
