"""Runs the cells of the table and compares it with docs/interop.md; started by scripts/interop."""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

import table
from cells import Cell, Context
from clip import Clip
from findings import Finding, read
from peers import PEERS
from process import Failed, Stage

# Characters of a program's output that are shown.
SHOWN = 3000
HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/interop")
    parser.add_argument("--ours", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write the result to docs/interop.md")
    parser.add_argument("--verbose", action="store_true", help="show what the programs said, also when all is well")
    parser.add_argument("--only", default="", metavar="TEXT", help="only lines of the table that contain this")
    return parser.parse_args()


def run(cell: Cell, findings: list[Finding], options: argparse.Namespace) -> str:
    """One cell's result."""
    if isinstance(cell.run, str):
        return cell.run if cell.run.startswith("skipped: ") else f"cannot: {cell.run}"
    with tempfile.TemporaryDirectory(prefix="efir-interop-") as folder:
        stage = Stage(Path(folder), options.ours, cell.draft)
        try:
            cell.run(stage)
            return table.PASSES
        except Failed as failure:
            said = "\n".join(program.said() for program in stage.programs)
            for finding in findings:
                if finding.explains(cell, said):
                    return f"fails: {finding.result}"
            show(stage)
            return f"fails: {failure}"
        except Exception:  # noqa: BLE001 -- the other cells are run all the same
            traceback.print_exc()
            return "fails: the test itself broke"
        finally:
            if options.verbose:
                show(stage)
            stage.close()


def show(stage: Stage) -> None:
    """What the programs of a cell said last."""
    for program in stage.programs:
        print(f"--- {program.name}\n{program.said()[-SHOWN:]}", file=sys.stderr)


def main() -> int:
    options = arguments()
    context = Context(Clip(ROOT / "origin" / "sample" / "sample.mp4"), HERE, options.home)
    cells = [cell for peer in PEERS for cell in peer(context).cells()]
    findings = read(HERE / "findings.toml")
    rows = []
    for cell in cells:
        if options.only not in " | ".join(cell.key):
            continue
        begun = time.monotonic()
        row = table.Row(*cell.key, cell.version, run(cell, findings, options))
        rows.append(row)
        print(f"{time.monotonic() - begun:5.1f} s  {row}", flush=True)
    document = ROOT / "docs" / "interop.md"
    return table.judge(rows, document, write=options.write)


if __name__ == "__main__":
    sys.exit(main())
