"""What makes a Network: one file for each source, a registered model, a Module, a Cell, a file."""
