from app.core.errors import Conflict, NotFound


class NoteNotFound(NotFound):
    code = "note.not_found"
    detail = "There is no note with this id."


class TitleTaken(Conflict):
    code = "note.title_taken"
    detail = "Another note has this title. Choose a different one."
    constraint = "uq_notes_title"
