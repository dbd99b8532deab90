"""A contract of import-linter that says more than its own."""

from collections.abc import Iterator

from grimp import ImportGraph
from importlinter import ContractCheck, output
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract


class AcyclicSiblingsByLine(AcyclicSiblingsContract):
    """Tells the lines that close a cycle, where import-linter counts them."""

    type_name = "acyclic_siblings_by_line"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = super().check(graph, verbose)
        found.metadata["lines"] = sorted(_lines(graph, found))
        return found

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error("These imports close a cycle:")
        output.new_line()
        for line in check.metadata["lines"]:
            output.print_error(line)
        output.new_line()
        super().render_broken_contract(check)


def _lines(graph: ImportGraph, found: ContractCheck) -> Iterator[str]:
    for closing in found.metadata["cycle_breakers_by_package"].values():
        for importer, imported in closing:
            details = graph.get_import_details(importer=importer, imported=imported)
            numbers = ", ".join(f"l.{detail['line_number']}" for detail in details)
            yield f"- {importer} -> {imported} ({numbers})"
