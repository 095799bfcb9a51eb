"""``--stage adapt``: a model to a survey, from its photometry as it is, with few labels or none."""
