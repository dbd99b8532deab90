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
PERMITTED = (
    "from app.core.module import Module\nfrom app.core.security import Permission\n"
    "class Allowed(Permission):\n    READ = {permission!r}\n"
    "module = Module(name={name!r}, summary='', permissions=Allowed)\n"
)
TABLED = (
    "from sqlalchemy import MetaData\nfrom app.core.module import Module\nfrom app.db.model import Model\n"
    "import planted\nplanted.metadata = getattr(planted, 'metadata', MetaData())\n"
    "class Same(Model, table=True):\n    metadata = planted.metadata\n    __tablename__ = 'same'\n"
    "module = Module(name={name!r}, summary='')\n"
)
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
    package = plant({name: GOOD.format(name=name) for name in ("zebra", "ant")})

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
        (ROUTED, "The route prefix '/api/v1/same' is declared 2 times, by a and b. Rename"),
        (CONSTRAINED, "The constraint 'uq_same' is declared 2 times, by a and b. Rename"),
        (TABLED, "planted/b cannot be imported: TypeError: The table 'same' of planted.b is another model's already."),
        (GOOD.replace("{name!r}", "'a'"), "planted/b calls itself 'a'. Name it 'b'"),
    ],
)
def test_what_two_modules_claim_is_refused(plant: Plant, content: str, message: str) -> None:
    package = plant({name: content.format(name=name) for name in ("a", "b")})

    with pytest.raises(BrokenModule, match=message):
        discover(package)


def test_no_module_has_the_name_of_what_belongs_to_none(plant: Plant) -> None:
    package = plant({"platform": GOOD.format(name="platform")})

    with pytest.raises(BrokenModule, match=r"planted/platform has the name of what belongs to no module\. Rename"):
        discover(package)


@pytest.mark.parametrize("permission", ["read", "other:read", "fine_read"])
def test_a_permission_begins_with_its_module(plant: Plant, permission: str) -> None:
    package = plant({"fine": PERMITTED.format(name="fine", permission=permission)})

    with pytest.raises(BrokenModule, match=f"The permission '{permission}' of planted/fine"):
        discover(package)


def test_a_declared_permission_is_known(plant: Plant) -> None:
    (module,) = discover(plant({"fine": PERMITTED.format(name="fine", permission="fine:read")}))

    assert list(module.permissions or ()) == ["fine:read"]
