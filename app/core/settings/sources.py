"""Where settings are stated: the environment, secret files and dotenv files, each read into a `Source`."""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from app.core.settings.faults import Fault


@dataclass(frozen=True, slots=True)
class Source:
    """The texts of variables, by name in upper case, and what was wrong with the place itself.

    A `shared` place holds what others put there for themselves, too.
    """

    name: str
    texts: Mapping[str, str]
    faults: tuple[Fault, ...] = ()
    shared: bool = False


def from_environment(environ: Mapping[str, str]) -> Source:
    return Source("environment", _in_upper_case(environ), shared=True)


def from_dotenv(path: Path) -> Source:
    """Reads `path` as it stands: `${NAME}` is not expanded, so that a password may hold it. May be missing."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return Source(path.name, {})
    except OSError as error:
        return Source(path.name, {}, (_unreadable(path.name, error),))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fault = Fault(f"{path.name}, line {line}", "bytes that are not UTF-8", "UTF-8", "Save the file in UTF-8.")
        return Source(path.name, {}, (fault,))
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is not None and binding.value is not None:
            texts[binding.key.upper()] = binding.value
        elif binding.key is not None or binding.error:
            where = f"{path.name}, line {_line_of(binding)}"
            mend = "Correct the line or comment it out with #; a value of several lines stands in quotes."
            faults.append(Fault(where, "a line of another form", "KEY=value", mend))
    return Source(path.name, texts, tuple(faults))


def from_secret_files(folder: Path, variables: Collection[str], prefixes: tuple[str, ...]) -> Source:
    """Reads the files named like one of `variables`, or nearly so; a line end after the value is dropped.

    The rest is left alone, because such folders are shared; so is the `..data` through which Kubernetes replaces all
    files at once.
    """
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    try:
        paths = [
            path
            for path in folder.iterdir()
            if path.name.upper() in variables or (path.name.upper().startswith(prefixes) and path.is_file())
        ]
    except OSError as error:
        mend = "Name a folder that exists and may be read, or remove SECRETS_DIR."
        return Source("secret file", {}, (Fault("SECRETS_DIR", _reason(error), "a folder", mend),))
    for path in paths:
        try:
            texts[path.name] = path.read_bytes().decode().rstrip("\r\n")
        except OSError as error:
            faults.append(_unreadable(f"secret file {path.name}", error))
        except UnicodeDecodeError:
            where = f"secret file {path.name}"
            faults.append(Fault(where, "bytes that are not UTF-8", "UTF-8", "Write the secret as text."))
    return Source("secret file", _in_upper_case(texts), tuple(faults), shared=True)


def _in_upper_case(texts: Mapping[str, str]) -> dict[str, str]:
    # Capitals sort first, so from the end the usual spelling is entered last and wins over another.
    return {name.upper(): texts[name] for name in sorted(texts, reverse=True)}


def _line_of(binding: Binding) -> int:
    """The parser counts from the blank lines before."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _unreadable(where: str, error: OSError) -> Fault:
    return Fault(where, _reason(error), "a readable file", "Let the process read it, or remove it.")


def _reason(error: OSError) -> str:
    return str(error.strerror).lower()
