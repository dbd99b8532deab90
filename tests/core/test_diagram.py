"""The diagram of the modules: where the boxes stand, and which lines there are."""

import random
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from app.core.canvas import Canvas, Dependency
from app.core.diagram import Box, Diagram, lay_out
from app.documents import pages

SVG = "{http://www.w3.org/2000/svg}"


def canvases(needs: Mapping[str, str], reacts: Mapping[str, str] | None = None) -> list[Canvas]:
    """Modules by name with the names of those whose tables they refer to, and of those to whose events they react."""
    return [
        Canvas(
            name,
            f"What {name} does.",
            (
                *(Dependency(other, (f"{name}s.{other}_id",)) for other in needed.split()),
                *(Dependency(other, (), ("events",)) for other in (reacts or {}).get(name, "").split()),
            ),
        )
        for name, needed in needs.items()
    ]


def columns(diagram: Diagram) -> dict[str, int]:
    xs = sorted({box.x for box in diagram.boxes})
    return {box.name: xs.index(box.x) for box in diagram.boxes}


def overlap(one: Box, other: Box, diagram: Diagram) -> bool:
    return abs(one.x - other.x) < diagram.box_width and abs(one.y - other.y) < diagram.box_height


SHOP = canvases({"mail": "", "invoice": "order user", "user": "", "order": "user", "odd": ""}, {"mail": "invoice"})


def test_a_module_stands_right_of_all_that_it_depends_on() -> None:
    assert columns(lay_out(SHOP)) == {"invoice": 2, "mail": 3, "odd": 0, "order": 1, "user": 0}


def test_each_dependency_is_a_line_and_events_alone_are_told_apart() -> None:
    assert [(line.of, line.to, line.by_events_only) for line in lay_out(SHOP).lines] == [
        ("invoice", "order", False),
        ("invoice", "user", False),
        ("mail", "invoice", True),
        ("order", "user", False),
    ]


def test_the_order_of_the_modules_makes_no_difference() -> None:
    assert lay_out(SHOP) == lay_out(SHOP[::-1])


def test_a_line_ends_at_its_boxes_and_passes_none() -> None:
    diagram = lay_out(SHOP)
    boxes = {box.name: box for box in diagram.boxes}
    line = next(line for line in diagram.lines if (line.of, line.to) == ("invoice", "user"))
    numbers = [float(number) for number in re.findall(r"[\d.]+", line.path)]

    assert (numbers[0], numbers[1]) == (boxes["invoice"].x, boxes["invoice"].y + diagram.box_height / 2)
    assert (numbers[-2], numbers[-1]) == (
        boxes["user"].x + diagram.box_width,
        boxes["user"].y + diagram.box_height / 2,
    )
    (straight,) = re.findall(r" L([\d.]+) ([\d.]+)", line.path)
    assert float(straight[0]) == boxes["order"].x
    assert not boxes["order"].y <= float(straight[1]) <= boxes["order"].y + diagram.box_height


def test_thirty_modules_stand_apart_and_within_the_drawing() -> None:
    chance = random.Random(1)  # noqa: S311  any mixture will do
    names = [f"module_{number}" for number in range(30)]
    diagram = lay_out(
        canvases(
            {name: " ".join(chance.sample(names[:at], min(at, chance.randrange(4)))) for at, name in enumerate(names)}
        )
    )

    assert len(diagram.boxes) == 30
    pairs = [(one, other) for at, one in enumerate(diagram.boxes) for other in diagram.boxes[:at]]
    assert not any(overlap(one, other, diagram) for one, other in pairs)
    assert all(0 <= box.x <= diagram.width - diagram.box_width for box in diagram.boxes)
    assert all(0 <= box.y <= diagram.height - diagram.box_height for box in diagram.boxes)


def test_a_circle_is_drawn_too() -> None:
    diagram = lay_out(canvases({"a": "b", "b": "c", "c": "a"}))

    assert columns(diagram) == {"a": 2, "b": 1, "c": 0}
    assert [(line.of, line.to) for line in diagram.lines] == [("a", "b"), ("b", "c"), ("c", "a")]


def test_what_is_needed_and_not_there_is_left_out() -> None:
    assert lay_out(canvases({"order": "gone"})).lines == ()


def drawn(modules: list[Canvas], folder: Path) -> ET.Element:
    return ET.fromstring(pages(modules, folder).texts["diagram.svg"])  # noqa: S314  our own text


def test_its_file_is_an_image_that_can_be_read_out(tmp_path: Path) -> None:
    image = drawn(SHOP, tmp_path)

    described = {part.get("id") for part in image if part.tag in {f"{SVG}title", f"{SVG}desc"}}
    assert set((image.get("aria-labelledby") or "").split()) == described
    assert [text.text for text in image.iter(f"{SVG}text")] == ["invoice", "mail", "odd", "order", "user"]
    assert "invoice depends on order." in (image.findtext(f"{SVG}desc") or "")
    assert "mail reacts to events of invoice." in (image.findtext(f"{SVG}desc") or "")
    assert len(image.findall(f"{SVG}path[@class='line events']")) == 1
    assert "prefers-color-scheme: dark" in (image.findtext(f"{SVG}style") or "")


def test_markup_in_a_name_is_text(tmp_path: Path) -> None:
    image = drawn([Canvas("<b>&amp;", '"><script>alert(1)</script>')], tmp_path)

    assert [text.text for text in image.iter(f"{SVG}text")] == ["<b>&amp;"]
    assert list(image.iter(f"{SVG}script")) == []
