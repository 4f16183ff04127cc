"""Why cells fail that are known to: whose fault it is, and what shows that it is still the same one."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cells import Cell


@dataclass(frozen=True)
class Finding:
    """One known failure; it explains the cells that its expressions match, if a program said what `says` matches."""

    peer: str
    draft: int
    direction: str
    says: str
    result: str
    transport: str = ""

    def explains(self, cell: Cell, said: str) -> bool:
        """Whether this cell failed for this reason."""
        return (
            cell.peer.startswith(self.peer)
            and cell.draft == self.draft
            and re.search(self.transport, cell.transport) is not None
            and re.search(self.direction, cell.direction) is not None
            and re.search(self.says, said) is not None
        )


def read(file: Path) -> list[Finding]:
    """The findings of a TOML file."""
    return [Finding(**entry) for entry in tomllib.loads(file.read_text()).get("finding", [])]
