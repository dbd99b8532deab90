from sqlmodel import col

from app.db.listing import FLAG, RANGE, TEXT, Filter, Listing
from app.db.repository import Repository
from app.modules.user.errors import UserNotFound
from app.modules.user.models import User


class UserRepository(Repository[User]):
    model = User
    not_found = UserNotFound
    listing = Listing(
        Filter(col(User.email), TEXT),
        Filter(col(User.username), TEXT),
        Filter(col(User.full_name), TEXT),
        Filter(col(User.is_active), FLAG),
        Filter(col(User.created_at), RANGE),
        sorts=(col(User.created_at), col(User.email), col(User.username)),
    )
