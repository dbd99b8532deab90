"""Features are found by their folder, and a broken one stops start-up with its name."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import app.modules
from app.core.module import BrokenModule, discover

GOOD = "from app.core.module import Module\nmodule = Module(name={name!r}, summary='')\n"
ROUTED = (
    "from app.core.http.routing import ApiRouter\nfrom app.core.module import Module\n"
    "module = Module(name={name!r}, summary='', routers=(ApiRouter(prefix='/same', tag='x'),))\n"
)
CONSTRAINED = (
    "from app.core.errors import Conflict\nfrom app.core.module import Module\n"
    "class Taken(Conflict):\n    constraint = 'uq_same'\n"
    "module = Module(name={name!r}, summary='', errors=(Taken,))\n"
)

Plant = Callable[[dict[str, str]], ModuleType]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Writes packages, by name and content of their `__init__.py`, and gives the package around them."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(packages: dict[str, str]) -> ModuleType:
        (tmp_path / "planted").mkdir()
        (tmp_path / "planted" / "__init__.py").touch()
        for name, content in packages.items():
            (tmp_path / "planted" / name).mkdir()
            (tmp_path / "planted" / name / "__init__.py").write_text(content)
        return importlib.import_module("planted")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "planted"]:
        del sys.modules[name]


def test_every_folder_of_the_application_is_discovered() -> None:
    folders = {path.parent.name for path in Path(app.modules.__path__[0]).glob("*/__init__.py")}

    assert {module.name for module in discover(app.modules)} == folders


def test_manifests_come_in_the_order_of_their_names(plant: Plant) -> None:
    package = plant({"b": GOOD.format(name="zebra"), "a": GOOD.format(name="ant")})

    assert [module.name for module in discover(package)] == ["ant", "zebra"]


def test_a_folder_is_all_that_it_takes(plant: Plant) -> None:
    assert discover(plant({})) == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
        ("", "exports no `module`"),
        ("module = 'text'", "exports no `module`"),
    ],
)
def test_a_broken_module_stops_start_up_with_its_name(plant: Plant, content: str, fault: str) -> None:
    package = plant({"fine": GOOD.format(name="fine"), "broken": content})

    with pytest.raises(BrokenModule) as stopped:
        discover(package)
    assert "planted/broken" in str(stopped.value)
    assert fault in str(stopped.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("{name!r}", "'same'"), "The name 'same' is declared 2 times"),
        (ROUTED, "The route prefix '/api/v1/same' is declared 2 times"),
        (CONSTRAINED, "The constraint 'uq_same' is declared 2 times"),
    ],
)
def test_what_two_modules_claim_is_refused(plant: Plant, content: str, message: str) -> None:
    package = plant({name: content.format(name=name) for name in ("a", "b")})

    with pytest.raises(BrokenModule, match=message):
        discover(package)
