from uuid import UUID

from app.db.sessions import UnitOfWork
from tests.sample.note.models import Note
from tests.sample.note.repository import NoteRepository
from tests.sample.note.schemas import NoteChange, NoteCreate


class NoteService:
    """The rules of notes. That titles are unique, the database decides (see `errors`)."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._notes = NoteRepository(uow.session)

    async def create(self, new: NoteCreate) -> Note:
        return await self._notes.add(Note(title=new.title, body=new.body, done=new.done, due=new.due))

    async def change(self, note_id: UUID, changes: NoteChange) -> Note:
        note = await self._notes.require(note_id)
        note.apply(changes)
        return await self._notes.add(note)

    async def delete(self, note_id: UUID) -> None:
        await self._notes.delete(await self._notes.require(note_id))
