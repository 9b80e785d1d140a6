"""Small networks, as users have them: each a Module and a Cell of the same parameters."""
