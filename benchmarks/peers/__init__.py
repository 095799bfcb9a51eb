"""Peers, re-implemented from their published descriptions to be measured beside hf_galaxy."""
