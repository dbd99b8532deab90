"""The lengths of text columns, in characters: one place, so that the same thing is as long everywhere."""

from typing import Final

CODE: Final = 32
SHORT: Final = 100
MEDIUM: Final = 254
LONG: Final = 2_000
