"""Galaxies that miniJPAS and J-PAS observed: tables of their archive, from files or from its TAP service."""
