"""One file per runtime, the same class shape in each."""
