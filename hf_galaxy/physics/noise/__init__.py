"""What an instrument makes of noiseless fluxes: errors, calibration, depth and missing bands, in torch on any device.

The variance of a flux F (nJy) is::

    σ² = (F(m5) / 5)² + max(F, 0) / (electrons per nJy) + (floor · F)²

sky, photons of the galaxy, and a relative floor for everything that does not fall with exposure time. The noise is
drawn with σ of the true flux; the *stated* error is σ of the observed flux, as in any catalogue: an error computed from
the true flux would tell a network the answer. It is over- or underestimated by a factor.

What F is before the noise differs from the flux of the galaxy by errors of the calibration (``distortions``): zero
points, smooth distortions, wrong or no correction for the Milky Way, apertures; in bands synthesised from spectra also
slit losses, telluric absorption and more (``spectrograph``). No stated error holds these. Rare fluxes are simply
wrong. Bands are missing one by one, by filter trays, by detector, or beyond the range of a spectrograph (``coverage``).
"""

from .instruments import DEPTHS, GALEX_LAYERS, electrons_per_njy
from .model import NoiseModel, Observation
from .settings import NoiseSettings

__all__ = ["DEPTHS", "GALEX_LAYERS", "NoiseModel", "NoiseSettings", "Observation", "electrons_per_njy"]
