"""Our model beside its peers: the same training galaxies, the same test galaxies, the same noise, one command.

    python -m benchmarks.compare [--size quick|half-hour|full] [--train FOLDER --test FOLDER] [--peers ours mlp …]

Without folders the galaxies are simulated on the spot. Every peer learns from the training galaxies with survey noise
and answers for the test galaxies as observed at the plain assumed depths (*nominal*) and with everything that a survey
does to them (*survey*). What each of them says is kept in a folder, so that a killed run goes on; a table and plots are
made of all that is there. `--seeds 0 1 2` repeats with other seeds of training.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.comparison import contest
from benchmarks.comparison.contenders import CONTENDERS, SIZES
from benchmarks.comparison.measure import measure
from benchmarks.comparison.table import markdown
from benchmarks.harness import RESULTS, machine_facts
from hf_galaxy.evaluation.report import assemble_report, write_report


def main(argv: list[str] | None = None) -> None:
    given = arguments().parse_args(argv)
    plan = contest.Plan(given.size, given.train, given.test, given.folder)
    failed = contest.run(plan, given.peers, given.seeds, given.processes)
    galaxies = plan.galaxies()
    digest = galaxies.identity()
    outcomes = {key: contest.results(plan, key, digest) for key in given.peers}
    metrics = measure({key: runs for key, runs in outcomes.items() if runs}, galaxies)
    absent = [key for key in CONTENDERS if not outcomes.get(key)]
    report = assemble_report(
        model={"size": given.size, **vars(SIZES[given.size])},
        data=galaxies.facts(plan.sources),
        machine=machine_facts() | {"processes": given.processes},
        metrics=metrics | {"failed": failed, "absent": absent},
    )
    write_report(given.out, report)
    text = markdown(report)
    given.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    if given.plots:
        from benchmarks.comparison.plots import draw

        draw(given.out, outcomes, metrics, galaxies)
    if failed:
        raise ValueError("failed: " + "; ".join(f"{who}: {why}" for who, why in failed.items()))


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="half-hour", help="of everything; on two cores")
    parser.add_argument("--train", help="folder of Parquet to learn from; simulated without")
    parser.add_argument("--test", help="folder of Parquet to be asked about; simulated without")
    parser.add_argument("--peers", nargs="+", choices=tuple(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of training, each a run")
    parser.add_argument("--processes", type=int, default=2, help="peers at a time, one thread each")
    parser.add_argument("--folder", type=Path, default=Path("outputs/compare"), help="where results of peers are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "compare.json", help="result; table and plots beside it")
    parser.add_argument("--plots", action=argparse.BooleanOptionalAction, default=True)
    return parser


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"compare.py: {error}")
