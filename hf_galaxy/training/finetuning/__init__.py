"""``--stage finetune``: a model learns variables that it never knew."""
