"""From tables, files and simulations to what the model reads."""
