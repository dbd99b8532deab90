"""How wrong settings are told."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.startup import StartupRefused


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. It is printed, so it says what kind of value was given and never the value."""

    where: str
    given: str
    expected: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.given}; expected {self.expected}. {self.mend}"


class SettingsError(StartupRefused):
    """The settings cannot be used; the message lists every fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join((f"Not started: {count} in the settings.", *(f"  {fault}" for fault in faults))))


def kind_of(text: str) -> str:
    """What may be told of a value that may be a secret."""
    if not text:
        return "empty"
    return "text of 1 character" if len(text) == 1 else f"text of {len(text)} characters"
