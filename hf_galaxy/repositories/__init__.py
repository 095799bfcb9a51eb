"""Repositories of the Hub: fetched by a pinned commit, written by one commit each; refusals in one line."""
