"""Two networks, one set of weights: which parameters of one are which of the other, and what proves it."""
