"""Figures: matplotlib axes and arrays in, the same axes out; needs ``pip install "hf-galaxy[plot]"``."""
