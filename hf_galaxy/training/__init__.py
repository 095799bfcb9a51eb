"""Training: settings, the Accelerate loop, exact resume."""
