"""Subcommands of ``hf-galaxy``, a file each: ``add`` declares its arguments, ``run`` does the work."""
