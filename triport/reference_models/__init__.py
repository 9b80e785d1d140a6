"""What the networks are: paired definitions, names, preprocessing, published accuracy."""
