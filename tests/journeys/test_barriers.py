"""Nobody is shut out: every page, and everything that opens on one, passes axe's rules for WCAG 2.2 AA in both themes, on a desk and a phone.

Whatever axe complains of fails, and so does a page that asks for something that is not there. One session walks through all pages of a
furnished office.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Window
from tests.journeys.office import Installation, Office, served
from tests.journeys.openings import openings
from tests.journeys.sights import CLARA, CLARAS_PASSWORD, Furnished, furnish
from tests.servers.ca import CertificateAuthority

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
EVERYTHING = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "iframes": False}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "iframes": False}
LIFELESS = {"print", "source"}
"""Routes whose pages run no script at all, so neither axe."""
FOUND = """async ([where, options]) => (await axe.run(where, { ...options, resultTypes: ["violations"] })).violations
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")} ${node.html.slice(0, 120)}`))"""

pytestmark = [pytest.mark.browser]


class Place:
    """A furnished demonstration office that is running."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.furnished: Furnished = furnish(office)

    def address(self, path: str) -> str:
        return f"{self.office.address}/{path}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ca: CertificateAuthority) -> Iterator[Place]:
    installation = Installation(tmp_path_factory.mktemp("demo") / "home", ca)
    with served(installation, "--demo", owner=CLARA) as running:
        yield Place(running)


@pytest.fixture
def visitor(place: Place, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Clara's browser, in the language and of the size that `request.param` names, in dark colours."""
    language, size = request.param
    window = Window(chromium.new_context(locale=language, viewport=size, color_scheme="dark"), place.office.address)
    window.log_in(place.office, CLARA, CLARAS_PASSWORD)
    window.page.goto(place.address("me/"))
    window.page.locator(f'button[name=language][value="{language}"]').click()
    expect(window.page.locator(f'button[name=language][value="{language}"]')).to_have_attribute("aria-pressed", "true")
    yield window.page
    window.context.close()
    assert window.failures == []
    assert window.missing == []


def barriers(page: Page, options: object = EVERYTHING, *, without: str = "") -> list[str]:
    """What axe finds on the page as it is now; `without` what that selector matches."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    where = {"include": ["body"]} | ({"exclude": [without]} if without and page.locator(without).count() else {})
    found: list[str] = page.evaluate(FOUND, [where, options])
    return found


def sticks_out(page: Page) -> bool:
    """Whether the page would have to be pushed sideways."""
    wide: bool = page.evaluate(
        "[document.documentElement, document.querySelector('#main')].some((one) => one && one.scrollWidth > innerWidth)"
    )
    return wide


def test_every_door_is_open_to_everybody(place: Place, chromium: Browser) -> None:
    for size in (DESK, PHONE):
        window = Window(chromium.new_context(locale="de", viewport=size, color_scheme="dark"), place.office.address)
        for sight in place.furnished.doors():
            window.page.goto(place.address(sight.path))
            assert (sight.name, barriers(window.page)) == (sight.name, [])
            assert not sticks_out(window.page)
        window.context.close()


@pytest.mark.parametrize("visitor", [("en", DESK), ("de", PHONE)], indirect=True, ids=["english desk", "german phone"])
def test_every_page_is_open_to_everybody(visitor: Page, place: Place) -> None:
    found, known = [], ""
    sights = [sight for sight in place.furnished.sights() if sight.route not in LIFELESS]
    # Every page once, in one of the two forms: a page takes axe a second or two.
    for sight in sights[visitor.viewport_size == PHONE :: 2]:
        visitor.goto(place.address(sight.path), wait_until="domcontentloaded")
        found += [f"{sight.name} {one}" for one in barriers(visitor, without=known)]
        if visitor.viewport_size == PHONE:
            if sticks_out(visitor):
                found.append(f"{sight.name} is wider than the phone")
        else:
            visitor.emulate_media(color_scheme="light")
            found += [f"{sight.name} in light colours {one}" for one in barriers(visitor, CONTRAST, without=known)]
            visitor.emulate_media(color_scheme="dark")
        # The tree stands on every page, and the API's pages are hundreds of the same: once is enough.
        known = ".sidebar, section + section + section"
    assert found == []


@pytest.mark.parametrize("visitor", [("en", DESK)], indirect=True, ids=["english desk"])
def test_what_opens_on_a_page_is_open_to_everybody(place: Place, visitor: Page) -> None:
    found = []
    for opening in openings():
        if opening.name.startswith("palette-"):  # the palette again, with other entries
            continue
        opening.show(visitor, place.office.address, place.furnished.ids)
        found += [f"{opening.name} {one}" for one in barriers(visitor, without="#rows, #tree")]
        visitor.emulate_media(color_scheme="light")
        found += [
            f"{opening.name} in light colours {one}" for one in barriers(visitor, CONTRAST, without="#rows, #tree")
        ]
        visitor.emulate_media(color_scheme="dark")
    assert found == []
