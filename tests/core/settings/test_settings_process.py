"""Wrong settings in real processes: exit code 1, one list, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FACTORY = "from app.core.settings import load_settings\n\ndef create() -> None:\n    load_settings()\n"
COMMAND = (
    "import typer\nfrom app.core.settings import load_settings\n\n"
    "cli = typer.Typer()\n\n@cli.command()\ndef go() -> None:\n    load_settings()\n\ncli()\n"
)


def run(directory: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{directory}", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-c", "from app.core.settings import load_settings; load_settings()"), id="python"),
        pytest.param(("-m", "uvicorn", "--factory", "factory:create", "--port", "0"), id="uvicorn"),
        pytest.param(("command.py",), id="typer"),
    ],
)
def test_wrong_settings_end_the_process_without_a_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "factory.py").write_text(FACTORY)
    (tmp_path / "command.py").write_text(COMMAND)
    (tmp_path / ".env").write_bytes(b"APP_ENV=prod\nnonsense\n")
    process = run(tmp_path, *arguments, POSTGRES_PORT="canary-7d1f")
    assert process.returncode == 1
    assert process.stdout == ""
    lines = process.stderr.splitlines()
    assert lines[0] == "Not started: 6 faults in the settings."
    assert len(lines) == 7
    assert "Traceback" not in process.stderr
    assert "canary-7d1f" not in process.stderr


def test_importing_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("nonsense")
    process = run(tmp_path, "-c", "import app.core.settings", APP_ENV="nonsense", SECRETS_DIR="nowhere")
    assert (process.returncode, process.stderr) == (0, "")


def test_importing_is_light(tmp_path: Path) -> None:
    heavy = "fastapi sqlalchemy sqlmodel asyncpg starlette typer"
    code = f"import sys, app.core.settings; print([name for name in {heavy.split()} if name in sys.modules])"
    assert run(tmp_path, "-c", code).stdout == "[]\n"
