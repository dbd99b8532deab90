"""Sample users."""

from app.db.samples import Sample
from app.modules.user.factory import make_user
from app.modules.user.schemas import UserCreate


def test_each_is_one_that_the_api_would_take_as_it_is() -> None:
    sample = Sample()

    for user in (make_user(sample) for _ in range(1000)):
        new = UserCreate(email=user.email, username=user.username, full_name=user.full_name)
        assert (new.email, new.username, new.full_name) == (user.email, user.username, user.full_name)
