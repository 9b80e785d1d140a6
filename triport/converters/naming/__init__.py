"""Names of a pair: which parameters of one network are which of another, by what steps, and as a file."""
