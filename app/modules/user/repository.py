from app.db.repository import Repository
from app.modules.user.errors import UserNotFound
from app.modules.user.models import User


class UserRepository(Repository[User]):
    model = User
    not_found = UserNotFound
