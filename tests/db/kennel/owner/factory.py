from app.db.samples import Sample
from tests.db.kennel.owner.models import Owner


def make_owner(sample: Sample) -> Owner:
    return Owner(number=sample.serial, email=sample.email())


factories = (make_owner,)
