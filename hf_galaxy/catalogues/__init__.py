"""Catalogues of any length to answers: a block of rows at a time, kept on the way, by all processes there are."""
