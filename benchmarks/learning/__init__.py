"""Parts of ``benchmarks.finetuning``: galaxies with new variables, runs, and peers that learn from the rows alone."""
