"""The page: posteriors of galaxies in the browser.

    python app.py [--model FOLDER_OR_HUB_ID] [--port 7860]

Also what a Space of the Hub runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

EXAMPLE = Path(__file__).parent / "examples" / "sdss_galaxies.ecsv"


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until interrupted; exit status 2 if it cannot be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.add_argument("--host", metavar="H", help="address to serve at; this machine alone by default")
    parser.add_argument("--port", type=int, metavar="P", help="port; the first free one from 7860 by default")
    arguments = parser.parse_args(argv)
    for package in ("gradio", "matplotlib"):
        if find_spec(package) is None:
            print(f'app.py: error: the page needs {package}: pip install "hf-galaxy[app]"', file=sys.stderr)
            return 2
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: nothing is reported to anybody
    from hf_galaxy import GalaxyPosterior
    from hf_galaxy.app.page import build, launch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped from outside, it leaves no files either
    try:
        galaxy = GalaxyPosterior.from_pretrained(arguments.model, revision=arguments.revision)
        page = build(galaxy, EXAMPLE if EXAMPLE.is_file() else None)
        launch(page, server_name=arguments.host, server_port=arguments.port)
    except (ValueError, OSError) as error:
        print(f"app.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
