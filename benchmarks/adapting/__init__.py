"""Parts of ``benchmarks.adaptation``: the surveys that a model is adapted to, how it is measured, the figure."""
