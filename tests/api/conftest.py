"""Ada administers and holds all rights on what the tests add; Bob is a colleague without any right.

Nothing of Django is imported here at the top: pytest may read this file before Django is set up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.caller import Caller


@pytest.fixture
def ada(transactional_db: None) -> Caller:
    from tests.api.caller import Caller
    from tests.builders import an_office

    return Caller(an_office())


@pytest.fixture
def bob(ada: Caller) -> Caller:
    from tests.api.caller import Caller
    from tests.builders import a_person

    return Caller(a_person())
