"""Alternatives to parts of the model, outside the package, so that the Hub files hold only what won."""
