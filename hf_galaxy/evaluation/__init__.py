"""Figures of merit: arrays in, small typed results out; nothing here knows of any model."""
