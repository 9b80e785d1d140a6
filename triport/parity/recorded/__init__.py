"""A check whose network runs elsewhere: its inputs go into one file, and outputs come back in another."""
