from sqlmodel import col

from app.db.listing import FLAG, RANGE, TEXT, Filter, Listing
from app.db.repository import Repository
from tests.sample.note.errors import NoteNotFound
from tests.sample.note.models import Note


class NoteRepository(Repository[Note]):
    model = Note
    not_found = NoteNotFound
    listing = Listing(
        Filter(col(Note.title), TEXT),
        Filter(col(Note.done), FLAG),
        Filter(col(Note.due), RANGE),
        Filter(col(Note.created_at), RANGE),
        sorts=(col(Note.created_at), col(Note.title), col(Note.due)),
    )
