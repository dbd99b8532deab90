from app.core.errors import Conflict, NotFound


class NoteNotFound(NotFound):
    code = "sample_note.not_found"
    detail = "There is no note with this id."


class TitleTaken(Conflict):
    code = "sample_note.title_taken"
    detail = "Another note has this title. Choose a different one."
    constraint = "uq_sample_notes_title"
