"""What `python -m benchmarks.compare` is made of: peers behind one interface, a cache, figures of merit, plots."""
