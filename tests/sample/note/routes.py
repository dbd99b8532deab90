from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response, status

from app.core.http.openapi import problems
from app.core.http.pages import PageRead
from app.core.http.routing import ApiRouter
from app.db.depends import Reads, Uow
from app.db.list_query import ListQuery, list_query
from tests.sample.note.errors import NoteNotFound, TitleTaken
from tests.sample.note.repository import NoteRepository
from tests.sample.note.schemas import NoteChange, NoteCreate, NoteRead
from tests.sample.note.service import NoteService

router = ApiRouter(prefix="/sample-notes", tag="sample_note")


async def _service(uow: Uow) -> NoteService:
    return NoteService(uow)


async def _repository(session: Reads) -> NoteRepository:
    return NoteRepository(session)


Service = Annotated[NoteService, Depends(_service)]
Notes = Annotated[NoteRepository, Depends(_repository)]
NoteList = Annotated[ListQuery, Depends(list_query(NoteRepository))]


@router.post("", status_code=status.HTTP_201_CREATED, responses=problems(TitleTaken))
async def create_sample_note(new: NoteCreate, notes: Service, response: Response) -> NoteRead:
    """Create a note."""
    note = await notes.create(new)
    response.headers["location"] = f"{router.prefix}/{note.id}"
    return NoteRead.model_validate(note)


@router.get("")
async def list_sample_notes(notes: Notes, query: NoteList) -> PageRead[NoteRead]:
    """List notes, oldest first if not sorted otherwise."""
    return query.answer(await notes.page(query.request), NoteRead)


@router.get("/{note_id}", responses=problems(NoteNotFound))
async def read_sample_note(note_id: UUID, notes: Notes) -> NoteRead:
    """Read a note."""
    return NoteRead.model_validate(await notes.require(note_id))


@router.patch("/{note_id}", responses=problems(NoteNotFound, TitleTaken))
async def change_sample_note(note_id: UUID, changes: NoteChange, notes: Service) -> NoteRead:
    """Change a note."""
    return NoteRead.model_validate(await notes.change(note_id, changes))


@router.delete("/{note_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(NoteNotFound))
async def delete_sample_note(note_id: UUID, notes: Service) -> None:
    """Delete a note."""
    await notes.delete(note_id)
