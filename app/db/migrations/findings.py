"""What the checks report."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of the migrations: `file` and `line` when it stands in one, else `what` names the database object."""

    rule: str
    what: str
    mend: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file and self.file.name, self.line) if part is not None)
        return f"{place}: {self.what} {self.mend} [{self.rule}]" if place else f"{self.what} {self.mend} [{self.rule}]"
