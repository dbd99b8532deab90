"""Believable values for sample rows, as tests and `make seed` ask for them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, TypeVar
from uuid import UUID

from mimesis import Finance, Person, Text
from mimesis.locales import Locale
from mimesis.random import Random
from pydantic import JsonValue

from app.db import sizes

T = TypeVar("T")

# Reserved by RFC 2606: whatever is sent there reaches nobody.
_DOMAINS: Final = ("example.org", "example.com", "example.net")
_YEAR: Final = timedelta(days=365)
_NOT_IN_ACCOUNTS: Final = re.compile("[^a-z.]")


class MissingKey(LookupError):
    """There is no row to refer to; the message names the table and what to do."""


class Sample:
    """Values for one row after another, the same ones for the same `seed` and day.

    `serial` is the number of the first row. `keys` holds, by table, the rows that may be referred to.

    What is unique stands for its row. `rows` says where each begins; without it the next one begins when a unique value
    is asked for a second time, so that a test calls a factory as often as it likes.
    """

    def __init__(
        self, seed: int | str = 0, *, serial: int = 1, keys: Mapping[str, Sequence[UUID]] | None = None
    ) -> None:
        self._random = Random()
        # Stated to each, because pytest-randomly gives those that have none a seed of its own.
        self._people = Person(Locale.EN, seed=seed, random=self._random)
        self._texts = Text(Locale.EN, seed=seed, random=self._random)
        self._finance = Finance(Locale.EN, seed=seed, random=self._random)
        self._keys = keys or {}
        self._today = datetime.now(UTC).date()
        self._serial = serial
        self._asked: set[str] | None = set()
        self._first_name, self._last_name = self._someone()

    def rows(self, make: Callable[["Sample"], T], count: int) -> Iterator[T]:
        """What `make` makes of the next `count` rows."""
        self._asked = None
        for _ in range(count):
            yield make(self)
            self._begin_row()
        self._asked = set()

    @property
    def serial(self) -> int:
        """The number of the row: one more than that of the row before."""
        return self._serial_for("serial")

    def flag(self) -> bool:
        return self._random.random() < 0.5  # noqa: PLR2004  heads or tails

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def number(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def decimal(self, low: Decimal | int, high: Decimal | int, places: int = 2) -> Decimal:
        lowest = int(Decimal(low).scaleb(places).to_integral_value(ROUND_CEILING))
        highest = int(Decimal(high).scaleb(places).to_integral_value(ROUND_FLOOR))
        return Decimal(self._random.randint(lowest, highest)).scaleb(-places)

    def day(self) -> date:
        """Within half a year before or after today."""
        return self._today + timedelta(days=self._random.randint(-182, 182))

    def instant(self) -> datetime:
        """Within the last year, in UTC."""
        return datetime.combine(self._today, time(), UTC) - self._random.random() * _YEAR

    def uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def one_of(self, choices: Iterable[T]) -> T:
        """One of a list, or of the members of an Enum."""
        return self._random.choice(tuple(choices))

    def line(self, most: int) -> str:
        """A few words, in at most `most` characters."""
        return _cut(" ".join(self._texts.words(self._random.randint(2, 5))).capitalize(), most)

    def text(self, most: int) -> str:
        """A few sentences, in at most `most` characters."""
        return _cut(self._texts.text(self._random.randint(1, 4)), most)

    def code(self, most: int) -> str:
        """A unique short code, such as K7-000123.

        Raises:
            ValueError: `most` characters are too few for as many rows.
        """
        serial = self._serial_for("code")
        for code in (f"{chr(self._random.randint(65, 90))}{self._random.randint(0, 9)}-{serial:06}", f"{serial:X}"):
            if len(code) <= most:
                return code
        raise ValueError(f"There are not enough codes of {most} characters for {serial} rows. Allow more characters.")

    def full_name(self) -> str:
        """The name of the person whom the row is about."""
        self._serial_for("full_name")
        return f"{self._first_name} {self._last_name}"

    def username(self) -> str:
        """Unique, of a-z, 0-9 and the dot; that of the person in `full_name`."""
        serial = self._serial_for("username")
        return f"{self._account()[: sizes.CODE - len(str(serial))]}{serial}"

    def email(self) -> str:
        """Unique and canonical, in a domain that nobody has; that of the person in `full_name`."""
        serial = self._serial_for("email")
        return f"{self._account()}{serial}@{self._random.choice(_DOMAINS)}"

    def url(self) -> str:
        return f"https://{self._random.choice(_DOMAINS)}/{'/'.join(self._texts.words(2)).lower()}"

    def currency(self) -> str:
        """An ISO 4217 code."""
        return self._finance.currency_iso_code(allow_random=True)

    def document(self) -> dict[str, JsonValue]:
        """A small JSON object."""
        return {"label": self.line(40), "count": self.integer(0, 100), "enabled": self.flag(), "tags": [self.line(20)]}

    def key(self, table: str) -> UUID:
        """The key of a row of `table`.

        Raises:
            MissingKey: there is none.
        """
        # Drawn whatever there is to choose from: how many rows are there must not change the values that follow.
        place = self._random.random()
        if not (keys := self._keys.get(table)):
            raise MissingKey(
                f"There is no row of {table} to refer to. Write a factory for it, or add one before seeding; "
                f'in a test hand its key in: Sample(keys={{"{table}": [key]}}).'
            )
        return keys[int(place * len(keys))]

    def sometimes(self, make: Callable[[], T]) -> T | None:
        """What `make` makes; None in a third of the cases, and where there is no row to refer to."""
        if self._random.random() * 3 < 1:
            return None
        try:
            return make()
        except MissingKey:
            return None

    def _serial_for(self, kind: str) -> int:
        if self._asked is not None:
            if kind in self._asked:
                self._begin_row()
                self._asked.clear()
            self._asked.add(kind)
        return self._serial

    def _begin_row(self) -> None:
        self._serial += 1
        self._first_name, self._last_name = self._someone()

    def _someone(self) -> tuple[str, str]:
        return self._people.first_name(), self._people.last_name()

    def _account(self) -> str:
        return _NOT_IN_ACCOUNTS.sub("", f"{self._first_name}.{self._last_name}".lower())


def _cut(text: str, most: int) -> str:
    """`text`, without the last words where it is too long."""
    return text if len(text) <= most else text[: most + 1].rpartition(" ")[0] or text[:most]
