"""One instance of many that migrate at once: says "ready", waits for a line, migrates, says what it applied.

python -m tests.db.migrations.instance URL VERSIONS
"""

import asyncio
import sys
from pathlib import Path

from pydantic import SecretStr

from app.core.settings import PostgresSettings
from app.db.migrations import upgrade


def main(url: str, versions: Path) -> None:
    settings = PostgresSettings(url=SecretStr(url), connect_timeout=10, migration_wait=30)
    assert settings.address is not None
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    print(*asyncio.run(upgrade(settings.address, settings, versions=versions)))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
