from collections.abc import Iterator

import pytest

from tests.support.otlp import Receiver, grpc_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with grpc_receiver() as receiver:
        yield receiver
