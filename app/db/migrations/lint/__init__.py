"""Finds what a migration would do to code that runs and to the requests it serves.

Own code, because what matters here is not in the SQL that other linters read: whether a later file validates a
constraint, why a column may go, what an autocommit block stands beside, and the line of the migration to mend.
"""

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import Final

from app.db.migrations.findings import Finding
from app.db.migrations.history import VERSIONS
from app.db.migrations.lint.actions import Step
from app.db.migrations.lint.calls import read_steps
from app.db.migrations.lint.rules import Constraints, faults

_MARKER: Final = re.compile(r"#\s*(contract|locks):(.*)")


def lint(versions: Path = VERSIONS) -> list[Finding]:
    """What is wrong with the migrations in `versions`, by file and line."""
    found: list[Finding] = []
    steps: dict[Path, list[Step]] = {}
    markers: dict[Path, dict[int, tuple[str, str]]] = {}
    for file in sorted(versions.glob("*.py")):
        try:
            source = file.read_bytes().decode()
            steps[file] = read_steps(ast.parse(source))
            markers[file] = _markers(source)
        except (SyntaxError, UnicodeDecodeError) as error:
            found.append(Finding("unreadable", f"This is not Python: {error}.", "Mend it.", file))
    constraints = Constraints.of([step for in_file in steps.values() for step in in_file])
    for file, in_file in steps.items():
        found += [
            Finding("no-reason", f"`# {marker}:` gives no reason.", "Say why it is safe here.", file, line)
            for line, (marker, reason) in markers[file].items()
            if not reason
        ]
        found += [
            Finding(fault.rule, fault.what, fault.mend, file, fault.step.line)
            for fault in faults(in_file, constraints)
            if fault.marker not in _stated(markers[file], fault.step)
        ]
    return sorted(found, key=lambda finding: (str(finding.file), finding.line or 0, finding.rule))


def _markers(source: str) -> dict[int, tuple[str, str]]:
    """The marker comments by line, each with its reason."""
    comments = [
        token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT
    ]
    matches = {token.start[0]: _MARKER.match(token.string) for token in comments}
    return {line: (match[1], match[2].strip()) for line, match in matches.items() if match}


def _stated(markers: dict[int, tuple[str, str]], step: Step) -> set[str]:
    """The markers with a reason on the lines of `step` or the line above it."""
    lines = range(step.line - 1, step.last_line + 1)
    return {marker for line, (marker, reason) in markers.items() if line in lines and reason}
