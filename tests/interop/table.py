"""The table of docs/interop.md: written from a run, and compared with the next ones."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

PASSES = "passes"
BEGIN = "<!-- written by scripts/interop --write -->"
END = "<!-- end -->"
HEAD = "| Peer | Version | Draft | Transport | Direction | Result |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One line."""

    peer: str
    draft: str
    transport: str
    direction: str
    version: str
    result: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.peer, self.draft, self.transport, self.direction)

    def __str__(self) -> str:
        return f"| {self.peer} | {self.version} | {self.draft} | {self.transport} | {self.direction} | {self.result} |"


def read(document: Path) -> dict[tuple[str, str, str, str], Row]:
    """The lines that the document has."""
    rows = {}
    for line in between(document.read_text())[1].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 6 and cells[2].isdigit():
            peer, version, draft, transport, direction, result = cells
            row = Row(peer, draft, transport, direction, version, result)
            rows[row.key] = row
    return rows


def between(text: str) -> tuple[str, str, str]:
    """What is before, in and after the written part."""
    before, rest = text.split(BEGIN, 1)
    inside, after = rest.split(END, 1)
    return before, inside, after


def judge(rows: list[Row], document: Path, *, write: bool) -> int:
    """Compares a run with the document, or writes it there; the exit code."""
    known = read(document)
    problems = []
    for row in rows:
        before = known.get(row.key)
        if not row.result.startswith((PASSES, "cannot: ", "skipped: ")) and (before is None or before.result != row.result):
            problems.append(f"not explained: {row}")
        if before is not None and before.result == PASSES and row.result != PASSES and not row.result.startswith("skipped: "):
            problems.append(f"passed before: {row}")
        if row.result == PASSES and (before is None or before != row):
            problems.append(f"not in {document.name}: {row}")
    if write:
        # What was not run keeps what an earlier run found.
        merged = known | {row.key: row for row in rows if not row.result.startswith("skipped: ")}
        before, _, after = between(document.read_text())
        lines = "\n".join(map(str, merged.values()))
        document.write_text(f"{before}{BEGIN}\n\n{HEAD}\n{lines}\n\n{END}{after}")
        return 0
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def pinned(requirements: Path, name: str) -> str:
    """The version of a package that is installed."""
    found = re.search(rf"^{re.escape(name)}==(\S+)$", requirements.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{requirements} does not pin {name}")
    return found[1]
