"""The functions that `triport` offers: each takes what a command takes, and returns what it prints."""
