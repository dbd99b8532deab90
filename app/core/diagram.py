"""The diagram of all modules: where each box stands and each line runs; templates/diagram.svg draws it.

Each module stands one column to the right of the furthest that it depends on. A line that passes a column runs along a
track there, which all lines to the same module share, so that none crosses a box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Final

from app.core.canvas import Canvas, Dependency

# In pixels, as far as it is shown in its own size.
_CHARACTER: Final = 8.5  # at least as wide as the font draws one
_PADDING: Final = 28
_LEAST_WIDTH: Final = 80
_BOX: Final = 38
_TRACK: Final = 6
_GAP: Final = 14
_CHANNEL: Final = 64
_MARGIN: Final = 4


@dataclass(frozen=True, slots=True)
class Box:
    """`x` and `y` are those of its left upper corner."""

    name: str
    summary: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """From the module `of` to the module `to`, on which it depends; `path` is written as SVG does."""

    of: str
    to: str
    by_events_only: bool
    path: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """Every box is `box_width` by `box_height`."""

    width: float
    height: float
    box_width: float
    box_height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place in the column `depth`: the box of `name`, or the track of lines on their way to it."""

    name: str
    depth: int
    is_box: bool

    @property
    def height(self) -> int:
        return _BOX if self.is_box else _TRACK


_Needs = Mapping[str, Sequence[Dependency]]


def lay_out(canvases: Sequence[Canvas]) -> Diagram:
    """The same modules make the same diagram, in whatever order they come."""
    canvases = sorted(canvases, key=lambda canvas: canvas.name)
    names = {canvas.name for canvas in canvases}
    needs = {
        canvas.name: sorted(
            (need for need in canvas.dependencies if need.module in names), key=lambda need: need.module
        )
        for canvas in canvases
    }
    depths = _depths(needs)
    middles = _middles(needs, depths)
    top = min((middle - slot.height / 2 for slot, middle in middles.items()), default=0) - _MARGIN
    bottom = max((middle + slot.height / 2 for slot, middle in middles.items()), default=0) + _MARGIN
    ys = {slot: middle - top for slot, middle in middles.items()}
    box_width = max([_LEAST_WIDTH, *(len(name) * _CHARACTER + _PADDING for name in names)])
    xs = [_MARGIN + depth * (box_width + _CHANNEL) for depth in range(max(depths.values(), default=-1) + 1)]
    return Diagram(
        width=(xs[-1] + box_width if xs else 0) + _MARGIN,
        height=bottom - top,
        box_width=box_width,
        box_height=_BOX,
        boxes=tuple(
            Box(canvas.name, canvas.summary, xs[slot.depth], ys[slot] - _BOX / 2)
            for canvas in canvases
            for slot in [_Slot(canvas.name, depths[canvas.name], is_box=True)]
        ),
        lines=tuple(
            Line(name, need.module, need.by_events_only, _path(name, need.module, depths, xs, ys, box_width))
            for name, needed in needs.items()
            for need in needed
        ),
    )


def _depths(needs: _Needs) -> dict[str, int]:
    """The column of each module. A dependency that closes a circle is left out of account."""
    depths: dict[str, int] = {}

    def depth(name: str, above: frozenset[str]) -> int:
        if name not in depths:
            inside = above | {name}
            below = [depth(need.module, inside) for need in needs[name] if need.module not in inside]
            depths[name] = 1 + max(below, default=-1)
        return depths[name]

    for name in needs:
        depth(name, frozenset())
    return depths


def _middles(needs: _Needs, depths: Mapping[str, int]) -> dict[_Slot, float]:
    """The height of the middle of each slot, with every column centred on 0.

    A slot stands near those that it leads to in the column before; where nothing leads, what is needed comes first.
    """
    needed = {need.module for some in needs.values() for need in some}
    leads: dict[_Slot, set[_Slot]] = {_Slot(name, depth, is_box=True): set() for name, depth in depths.items()}
    for name, some in needs.items():
        for need in some:
            way = _way(name, need.module, depths)
            for slot, following in pairwise(way):
                leads.setdefault(slot, set()).add(following)
    middles: dict[_Slot, float] = {}
    for depth in range(max(depths.values(), default=-1) + 1):
        column = [slot for slot in leads if slot.depth == depth]
        wish = {slot: fmean([middles[other] for other in leads[slot]] or [slot.name not in needed]) for slot in column}
        column.sort(key=lambda slot: (wish[slot], slot.name, slot.is_box))
        y = -(sum(slot.height for slot in column) + _GAP * (len(column) - 1)) / 2
        for slot in column:
            middles[slot] = y + slot.height / 2
            y += slot.height + _GAP
    return middles


def _way(name: str, to: str, depths: Mapping[str, int]) -> list[_Slot]:
    """The slots that a line passes, from right to left; none for a line that closes a circle."""
    if depths[name] <= depths[to]:
        return []
    tracks = [_Slot(to, depth, is_box=False) for depth in range(depths[name] - 1, depths[to], -1)]
    return [_Slot(name, depths[name], is_box=True), *tracks, _Slot(to, depths[to], is_box=True)]


def _path(
    name: str,
    to: str,
    depths: Mapping[str, int],
    xs: Sequence[float],
    ys: Mapping[_Slot, float],
    box_width: float,
) -> str:
    way = _way(name, to, depths)
    if not way:
        start, end = (_Slot(one, depths[one], is_box=True) for one in (name, to))
        return _curve(xs[start.depth] + box_width, ys[start], xs[end.depth], ys[end], bend=_CHANNEL / 2)
    parts = [
        _curve(xs[slot.depth], ys[slot], xs[following.depth] + box_width, ys[following], bend=-_CHANNEL / 2)
        for slot, following in pairwise(way)
    ]
    # Each part begins where its track ends on the other side of the column.
    return parts[0] + "".join(f" L{part[1:]}" for part in parts[1:])


def _curve(x: float, y: float, end_x: float, end_y: float, *, bend: float) -> str:
    """Leaves and arrives horizontally."""
    return f"M{x:g} {y:g} C{x + bend:g} {y:g} {end_x - bend:g} {end_y:g} {end_x:g} {end_y:g}"
