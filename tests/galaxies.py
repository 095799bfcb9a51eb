"""Made-up galaxies and spectra for tests of the synthesis."""

from __future__ import annotations

import numpy as np
import torch

from hf_galaxy.physics.synthesis import RestFrame


def galaxies(n=8, seed=0, **given):
    """Star-forming galaxies of one solar mass formed, with parameters that can be given."""
    rng = np.random.default_rng(seed)
    p = {
        "redshift": rng.uniform(0.02, 0.9, n),
        "log_mass_formed": np.full(n, 10.0),
        "metallicity": 10 ** rng.uniform(-1.5, 0.3, n),
        "gas_metallicity": 10 ** rng.uniform(-1.5, 0.39, n),
        "log_u": rng.uniform(-4, -1.6, n),
        "av": rng.uniform(0, 2, n),
        "birth_cloud": rng.uniform(1, 3, n),
        "dust_slope": rng.uniform(-0.7, 0.4, n),
        "dust_bump": rng.uniform(0, 4, n),
        "lya_escape": np.full(n, 0.1),
        "nuclear_ew": np.zeros(n),
        "weights": rng.dirichlet(np.full(42, 0.3), n),
    }
    p |= {name: np.broadcast_to(np.asarray(value, dtype=float), (n,)) for name, value in given.items()}
    return {name: torch.tensor(np.ascontiguousarray(value)) for name, value in p.items()}


def dark(synthesizer, n, spectrum=0.0):
    """A spectrum in L☉/Å and no lines."""
    shape = (n, len(synthesizer.wavelength))
    lines = torch.zeros(n, len(synthesizer.line_table))
    return RestFrame(torch.as_tensor(spectrum, dtype=torch.float32).expand(shape).clone(), lines)
