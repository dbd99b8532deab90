"""The decision records: complete, numbered, short."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from tests.docs.markdown import code_spans, links, name, prose
from tests.support.server import ROOT

FOLDER: Final = ROOT / "docs" / "adr"
RECORDS: Final = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
SECTIONS: Final = ["Context", "Decision", "Consequences", "Alternatives"]
PAGE: Final = 500  # words
RULE: Final = re.compile(r"\| (?P<number>\d+) \| (?P<rule>.+?) \| (?P<held>.+?) \| (?P<record>.+?) \|")


def dependencies() -> set[str]:
    """The distributions that the project itself asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *(item for group in project["dependency-groups"].values() for item in group),
    ]
    return {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in asked}


def test_each_dependency_has_a_record() -> None:
    named = {span for record in RECORDS for _, span in code_spans(record)}

    assert dependencies() - named == set()


def test_the_numbers_follow_one_another() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=name)
def test_it_has_the_form_of_a_record(record: Path) -> None:
    lines = [line for _, line in prose(record)]

    assert lines[0].startswith(f"# {record.name[:4]} ")
    assert re.fullmatch(r"(Accepted|Superseded by \[\d{4}\]\(.+\)), \d{4}-\d\d-\d\d\.", lines[2])
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == SECTIONS
    assert len(record.read_text(encoding="utf-8").split()) <= PAGE


def test_the_list_names_each_record() -> None:
    listed = [target for _, target in links(FOLDER / "README.md") if re.match(r"\d{4}-", target)]

    assert sorted(set(listed)) == [record.name for record in RECORDS]


def rules() -> list[re.Match[str]]:
    """The house rules: number, rule, what holds it, record."""
    lines = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    return [match for line in lines if (match := RULE.fullmatch(line))]


def test_each_house_rule_names_what_holds_it_and_why_it_is_there() -> None:
    found = rules()

    assert [int(rule["number"]) for rule in found] == list(range(1, len(found) + 1))
    assert found
    for rule in found:
        # That what is named exists is tested with all other references.
        assert re.search(r"`tests/[\w/]+\.py(::\w+)?`|`[a-z-]+`", rule["held"]), rule["rule"]
        assert re.search(r"\]\(adr/\d{4}-[\w-]+\.md\)", rule["record"]), rule["rule"]
