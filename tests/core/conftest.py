from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.planting import SHOP, planted


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ModuleType]:
    """A package of three modules."""
    with planted(tmp_path, SHOP) as package:
        yield package
