from app.modules.user.module import module

__all__ = ["module"]
