from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from app.core.settings import LogSettings
from tests.support.logs import Log, logged

Configure = Callable[[LogSettings], Log]


@pytest.fixture
def configure(tmp_path: Path) -> Iterator[Configure]:
    """Configures logging to a file of the test's; what was before is put back at its end."""
    numbers = count()
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(logged(settings, tmp_path / f"stream-{next(numbers)}"))


@pytest.fixture
def log(configure: Configure) -> Log:
    """What is logged as in production: JSON from INFO up."""
    return configure(LogSettings(level="INFO", format="json"))
