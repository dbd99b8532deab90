from app.core.module import Module
from app.modules.user.errors import EmailTaken, UsernameTaken
from app.modules.user.routes import router

module = Module(
    name="user",
    summary="The people who use the platform.",
    routers=(router,),
    errors=(EmailTaken, UsernameTaken),
)
