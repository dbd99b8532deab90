from app.db.samples import Sample
from tests.sample.note.models import Note


def make_note(sample: Sample) -> Note:
    return Note(
        title=sample.line(80) + f" {sample.serial}",
        body=sample.sometimes(lambda: sample.text(500)),
        done=sample.flag(),
        due=sample.sometimes(sample.day),
    )


factories = (make_note,)
