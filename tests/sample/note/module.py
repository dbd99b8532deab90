from app.core.module import Module
from tests.sample.note.errors import TitleTaken
from tests.sample.note.routes import router

module = Module(
    name="sample_note",
    summary="What somebody wants to remember.",
    routers=(router,),
    errors=(TitleTaken,),
)
