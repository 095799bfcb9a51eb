"""Builders of the data sets, each also a command: ``python -m dataset_scripts.<name>``."""
