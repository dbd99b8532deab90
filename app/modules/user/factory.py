from app.db.samples import Sample
from app.modules.user.models import User


def make_user(sample: Sample) -> User:
    return User(
        email=sample.email(),
        username=sample.username(),
        full_name=sample.full_name(),
        is_active=sample.integer(1, 10) > 1,
    )


factories = (make_user,)
