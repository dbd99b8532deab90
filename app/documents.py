"""The documents that are written from the code: the API's description and the page of each module, and the diagram."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.canvas import Canvas, markdown
from app.core.diagram import lay_out
from app.core.http.openapi import contract
from app.core.http.root_page import page_templates
from app.core.module import PLATFORM, Module
from app.core.settings import AppSettings
from app.main import PLATFORM_ROUTERS

_ROOT: Final = Path(__file__).resolve().parent.parent
_DIAGRAM: Final = "diagram.svg"


@dataclass(frozen=True, slots=True)
class Documents:
    """The files of one folder: `texts` by their names, which `make <target>` writes.

    Those in `optional` need not be there, and those in `foreign` are written by hand.
    """

    folder: Path
    target: str
    texts: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()

    def faults(self) -> Iterator[str]:
        """What is wrong with the files that are there, and how to mend it."""
        present = self._present()
        for name in sorted(present | self.texts.keys()):
            if name not in self.texts:
                yield f"{self._told(name)}: belongs to no module. Delete it with: make {self.target}"
            elif name in present and not self._is_current(name):
                yield f"{self._told(name)}: differs from the code. Write it again with: make {self.target}"
            elif name not in present | self.optional:
                yield f"{self._told(name)}: is missing. Write it with: make {self.target}"

    def write(self) -> Iterator[str]:
        """Brings the files to where `faults` finds nothing, and says what it did."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(self._present() - self.texts.keys()):
            (self.folder / name).unlink()
            yield f"Deleted {self._told(name)}."
        for name, text in self.texts.items():
            if not self._is_current(name):
                (self.folder / name).write_text(text, encoding="utf-8")
                yield f"Wrote {self._told(name)}."

    def _present(self) -> set[str]:
        suffixes = {Path(name).suffix for name in self.texts}
        files = self.folder.glob("*.*")
        return {file.name for file in files if file.suffix in suffixes and file.name not in self.foreign}

    def _is_current(self, name: str) -> bool:
        file = self.folder / name
        return file.exists() and file.read_bytes() == self.texts[name].encode()

    def _told(self, name: str) -> str:
        return f"docs/{self.folder.name}/{name}"


def contracts(modules: Sequence[Module], docs: Path = _ROOT / "docs") -> Documents:
    """One description of the API for each module that has routes, and one for the platform's own."""
    title = AppSettings().name
    texts = {
        f"{module.name}.json": contract(f"{title}: {module.name}", module.summary, module.routers)
        for module in modules
        if module.routers
    }
    platform = contract(f"{title}: {PLATFORM}", "What belongs to no module.", PLATFORM_ROUTERS)
    return Documents(docs / "openapi", "openapi", {f"{PLATFORM}.json": platform} | texts)


def pages(canvases: Sequence[Canvas], docs: Path = _ROOT / "docs") -> Documents:
    """One page for each module, and the diagram of all of them, which is not tracked and may be absent."""
    diagram = page_templates(_ROOT / "templates").get_template(_DIAGRAM)
    return Documents(
        docs / "modules",
        "docs-modules",
        {f"{canvas.name}.md": markdown(canvas) for canvas in canvases}
        | {_DIAGRAM: diagram.render(diagram=lay_out(canvases), standalone=True) + "\n"},
        optional=frozenset({_DIAGRAM}),
        foreign=frozenset({"README.md"}),
    )
