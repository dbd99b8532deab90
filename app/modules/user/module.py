from app.core.module import Module
from app.modules.user.errors import EmailTaken, UsernameTaken
from app.modules.user.events import UserChanged, UserCreated, UserDeleted
from app.modules.user.permissions import UserPermission
from app.modules.user.routes import router

module = Module(
    name="user",
    summary="The people who use the platform.",
    routers=(router,),
    permissions=UserPermission,
    events=(UserCreated, UserChanged, UserDeleted),
    errors=(EmailTaken, UsernameTaken),
)
