from tests.sample.note.module import module

__all__ = ["module"]
