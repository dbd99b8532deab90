"""Settings of the database: where it is, how it is entered, and how long anything may take."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.settings.base import Area, Environment, Objection

_SCHEMES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
# What images, tutorials and examples set.
_WEAK_PASSWORD = re.compile(
    r"admin|change[-_]?(it|me)|dev(elopment)?|example|letmein|local|(my)?secret(password)?|pass(wd|w[o0]rd\d*)?|pg"
    r"|postgres(ql)?|qwerty|root|test|trellis|user|\d{1,9}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where a database is and who enters; its text leaves the password out."""

    host: str
    port: int
    user: str
    password: SecretStr | None
    database: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"


def _split(url: SecretStr) -> SplitResult:
    # urlsplit's own errors quote the URL, so they are dropped.
    with suppress(ValueError):
        parts = urlsplit(url.get_secret_value())
        # An unescaped / @ ? or # in a password makes the rest of it look like another part.
        if (
            parts.scheme in _SCHEMES
            and parts.hostname
            and "," not in parts.hostname
            and parts.port != 0
            and not any(mark in parts.path[1:] for mark in "/@")
            and not parts.query
            and not parts.fragment
        ):
            return parts
    raise ValueError(
        "postgresql://user:password@host:port/database, special characters in user and password percent-encoded, "
        "nothing after the database (POSTGRES_TLS says what sslmode would)"
    )


def _readable(url: SecretStr) -> SecretStr:
    _split(url)
    return url


_PostgresUrl = Annotated[SecretStr, AfterValidator(_readable)]
# PostgreSQL counts milliseconds: anything less would be rounded to 0, which switches a time-out off.
_Seconds = Annotated[float, Field(ge=0.001, le=3600)]


class PostgresSettings(Area):
    model_config = SettingsConfigDict(env_prefix="POSTGRES_")

    url: _PostgresUrl | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="postgresql://user:password@host:port/database; POSTGRES_* add what it leaves out.",
    )
    host: str | None = Field(None, min_length=1, description="Host name, address or socket folder of the server.")
    port: int = Field(
        5432,
        ge=1,
        le=65_535,
        description="TCP port of the server. (Beside a service named postgres Kubernetes sets POSTGRES_PORT=tcp://…: "
        "give the pod enableServiceLinks: false.)",
    )
    user: str = Field("trellis", min_length=1, description="Role that the application logs in as.")
    password: SecretStr | None = Field(None, description="Password of the role.")
    db: str = Field("trellis", min_length=1, description="Name of the database.")
    replica_url: _PostgresUrl | None = Field(
        None, description="Read replica for read-only sessions, written like DATABASE_URL."
    )
    tls: Literal["disable", "require", "verify-full"] | None = Field(
        None,
        description="disable, require (encrypted) or verify-full (and the server proves who it is); "
        "not set means disable, and is refused in prod.",
    )
    tls_ca_file: FilePath | None = Field(
        None, description="Certificates (PEM) that verify-full trusts in place of the system's."
    )
    pgbouncer: bool = Field(default=False, description="Whether a PgBouncer in transaction mode is in between.")

    pool_size: int = Field(20, ge=1, le=1000, description="Connections that each process keeps.")
    pool_max_overflow: int = Field(10, ge=0, le=1000, description="Connections that it may open beyond them.")
    pool_timeout: _Seconds = Field(1.0, description="Longest wait for a free connection, in seconds.")
    pool_recycle: int = Field(3600, ge=1, le=86_400, description="Age at which a connection is replaced, in seconds.")
    pool_check_after_idle: float = Field(
        5.0, ge=0, le=3600, description="Idle time after which a connection is checked before use, in seconds."
    )

    connect_timeout: _Seconds = Field(1.0, description="Longest wait for a new connection, in seconds.")
    statement_timeout: _Seconds = Field(2.0, description="Longest run of a statement, in seconds.")
    lock_timeout: _Seconds = Field(1.0, description="Longest wait for a lock, in seconds.")
    idle_in_transaction_timeout: _Seconds = Field(
        5.0, description="Longest pause between two statements of a transaction, in seconds."
    )

    migration_statement_timeout: _Seconds = Field(
        60.0, description="Longest run of a statement in a migration, in seconds."
    )
    migration_lock_timeout: _Seconds = Field(
        5.0, description="Longest wait for a lock in a migration, in seconds; requests queue up behind it."
    )
    migration_wait: _Seconds = Field(120.0, description="Longest wait while another instance migrates, in seconds.")

    @property
    def is_configured(self) -> bool:
        return self.address is not None

    @property
    def address(self) -> PostgresAddress | None:
        """The primary database; None when neither DATABASE_URL nor POSTGRES_HOST is given."""
        if self.url:
            return self._address_in(self.url)
        if self.host:
            return PostgresAddress(self.host, self.port, self.user, self.password, self.db)
        return None

    @property
    def replica_address(self) -> PostgresAddress | None:
        return self._address_in(self.replica_url) if self.replica_url else None

    def _address_in(self, url: SecretStr) -> PostgresAddress:
        parts = _split(url)
        return PostgresAddress(
            host=unquote(parts.hostname or ""),
            port=parts.port or self.port,
            user=unquote(parts.username or "") or self.user,
            password=SecretStr(unquote(parts.password)) if parts.password else self.password,
            database=unquote(parts.path[1:]) or self.db,
        )

    def objections(self, environment: Environment) -> Iterator[Objection]:
        if differing := self._differing_from_url():
            yield Objection(("url", *differing), "one and the same database", "Remove one side or make them agree.")
        if self.replica_url and not self.is_configured:
            yield Objection(("url", "host"), "the primary of POSTGRES_REPLICA_URL", "Set one of them.")
        if self.tls_ca_file and self.tls != "verify-full":
            mend = "Set POSTGRES_TLS=verify-full, or remove the file."
            yield Objection(("tls", "tls_ca_file"), "verify-full where certificates are given", mend)
        # The server that comes with the dependencies is for developers and tests.
        if not self.is_configured and environment not in {Environment.LOCAL, Environment.TEST}:
            yield Objection(("url", "host"), f"a database in {environment}", "Set one of them.")
        if environment is not Environment.PROD:
            return
        if self.tls is None:
            mend = "Set POSTGRES_TLS=verify-full, or say POSTGRES_TLS=disable if the network is trusted."
            yield Objection(("tls",), "a decision in prod", mend)
        for name in self._weak_passwords():
            mend = "Give the role a random password, and state it here."
            yield Objection((name,), "a password that cannot be guessed in prod", mend)

    def _differing_from_url(self) -> list[str]:
        """Fields that were stated and contradict DATABASE_URL."""
        if self.url is None or self.host is None:
            return []
        by_url = self._address_in(self.url)
        agreement = {
            "host": self.host.lower() == by_url.host,  # urlsplit has lowered that one
            "port": self.port == by_url.port,
            "user": self.user == by_url.user,
            "password": self.password == by_url.password,
            "db": self.db == by_url.database,
        }
        return [name for name, agrees in agreement.items() if not agrees and name in self.model_fields_set]

    def _weak_passwords(self) -> list[str]:
        """Fields whose password is a known one, or the role's own name."""
        weak: dict[str, None] = {}
        for name, address in (("url", self.address), ("replica_url", self.replica_address)):
            if address and address.password:
                password = address.password.get_secret_value()
                if _WEAK_PASSWORD.fullmatch(password) or password.lower() == address.user.lower():
                    weak["password" if address.password is self.password else name] = None
        return list(weak)
