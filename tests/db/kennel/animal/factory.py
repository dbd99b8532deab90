from app.db.samples import Sample
from tests.db.kennel.animal.models import Animal, Kind


def make_animal(sample: Sample) -> Animal:
    return Animal(
        owner_id=sample.key("owners"),
        mother_id=sample.sometimes(lambda: sample.key("animals")),
        chip=sample.code(10),
        kind=sample.one_of(Kind),
        price=sample.decimal(0, 1000),
        habits=sample.document(),
    )


factories = (make_animal,)
