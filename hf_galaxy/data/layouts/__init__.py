"""Layouts of the catalogues of others: which of their columns are which of our variables."""
