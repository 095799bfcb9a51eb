"""Sets of real galaxies, their simulated counterparts, and how the two are told apart."""
