"""Filters, synthetic photometry, spectra, noise and the simulator; numpy, torch and astropy only."""
