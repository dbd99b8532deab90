from app.db.repository import Repository
from tests.sample.note.errors import NoteNotFound
from tests.sample.note.models import Note


class NoteRepository(Repository[Note]):
    model = Note
    not_found = NoteNotFound
