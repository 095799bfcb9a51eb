"""Tables in, physical answers out.

```python
galaxy = GalaxyPosterior.from_pretrained()
posterior = galaxy.condition(catalogue)
posterior.quantiles("redshift", [0.16, 0.5, 0.84])
```

`answers` holds what the densities say directly, `galaxy` the class of users, which adds what is worked out of them;
each kind of question has its own file.
"""

from .answers import quantile_suffix
from .derived import DERIVED
from .galaxy import GalaxyPosterior
from .weighted_draws import WeightedDraws

__all__ = ["DERIVED", "GalaxyPosterior", "WeightedDraws", "quantile_suffix"]
