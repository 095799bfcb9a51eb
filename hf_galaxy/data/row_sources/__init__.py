"""Catalogues as blocks of rows: whatever the format and the length, a block is an astropy table of some thousand rows.

Parquet, FITS and CSV are read a block at a time, folders of Parquet or FITS shards likewise; a data set of Hugging Face
is mapped into memory by its own library. ECSV, VOTable, compressed files and tables without commas are read whole.
"""
