"""A model held against galaxies whose truth is known: what it is asked, what is made of the answers, and the pages."""
