"""What the page says."""

from __future__ import annotations

from hf_galaxy.app.uploads import LIMITS

HEAD = """<header><h1>What do these bands say about this galaxy?</h1>
<p>hf_galaxy answers with posterior densities: redshift, stellar mass, star formation, dust and emission lines from the
narrow bands of J-PAS, broad bands and GALEX, as many of them as you have. Hide bands or add what you know, and see what
each piece of evidence is worth.</p></header>"""

STEP_TABLE = f"""<h3 class="hg-step">1 · Galaxies</h3>
<p class="hg-text">FITS, ECSV, VOTable, CSV or Parquet, at most {LIMITS} (<code>hf-galaxy predict</code> takes any
size). Columns are named like the bands, <code>J0660</code> and <code>J0660_err</code>; NaN is not observed. Correct
fluxes for Galactic extinction.</p>"""

STEP_QUESTION = '<h3 class="hg-step">2 · Question</h3>'

STEP_SAVE = """<h3 class="hg-step">3 · Answers of the whole table</h3>
<p class="hg-text">The same question, columns given and bands hidden, about every galaxy: quantiles with units, as
<code>hf-galaxy predict</code> writes them. A value typed for one galaxy is left out.</p>"""

FOOT = """<p class="hg-text">The simulation is the prior: no quasars, no stars, redshifts below 1. A galaxy beyond it
is answered within it. Uploaded tables are deleted after an hour.</p>"""

EMPTY = '<p class="hg-basis">No table is open: upload one, or choose the example.</p>'

UNEXPECTED = "this page failed over that input, which is a fault of the page; `hf-galaxy predict` may still answer it"

__all__ = ["EMPTY", "FOOT", "HEAD", "STEP_QUESTION", "STEP_SAVE", "STEP_TABLE", "UNEXPECTED"]
