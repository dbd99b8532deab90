"""The running application against its own description."""

import subprocess
import sys
from pathlib import Path

from app.core.settings import PostgresAddress
from app.main import create_app
from tests.conftest import settings_for
from tests.support.server import server_process

# Checked beside everything else is whether a valid request is accepted; it is left out, because no schema can say
# which cursors were given out or which e-mail domains are reserved.
COMMAND = [
    *(sys.executable, "-m", "schemathesis.cli", "run", "--checks", "all"),
    *("--exclude-checks", "positive_data_acceptance", "--max-examples", "10", "--no-color"),
]


def test_it_does_what_it_says_in_every_phase(own_database: PostgresAddress, tmp_path: Path) -> None:
    with server_process(own_database, tmp_path / "server.log") as server:
        result = subprocess.run(
            [*COMMAND, f"{server.url}/openapi.json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert result.returncode == 0, result.stdout
    application = create_app(settings_for(None))
    operations = sum(len(path) for path in application.openapi()["paths"].values())
    assert f"Selected: {operations}/{operations}" in result.stdout
    # Without modules there is no example to try and no link to follow.
    of_modules = ("Examples", "Stateful") if application.state.modules else ()
    for phase in ("Coverage", "Fuzzing", *of_modules):
        assert f"✅ {phase}" in result.stdout
    assert "unhandled_error" not in server.log.read_text()
