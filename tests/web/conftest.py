"""Ada administers and holds all rights on what the tests add; Bob is a colleague without any right.

Nothing of Django is imported here at the top: pytest may read this file before Django is set up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.web.visitor import Visitor


@pytest.fixture
def ada(db: None) -> Visitor:
    from tests.builders import an_office
    from tests.web.visitor import Visitor

    return Visitor(an_office())


@pytest.fixture
def busy_ada(transactional_db: None) -> Visitor:
    """Ada where several threads look at the database, so that what they see has to be committed."""
    from tests.builders import an_office
    from tests.web.visitor import Visitor

    return Visitor(an_office())


@pytest.fixture
def bob(ada: Visitor) -> Visitor:
    from tests.builders import a_person
    from tests.web.visitor import Visitor

    return Visitor(a_person())
