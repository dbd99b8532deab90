"""Writes and removes modules: the folder, its tests, its migration and its pages, all or nothing."""

from app.scaffold.errors import ScaffoldError
from app.scaffold.module import remove_module, write_module

__all__ = ["ScaffoldError", "remove_module", "write_module"]
