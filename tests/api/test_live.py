"""A program looks at a folder that is not fetched."""

from __future__ import annotations

from pathlib import Path

from poststelle.store import live
from tests.api.caller import Caller
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.store.conftest import home

__all__ = ["home"]


def test_a_look_is_asked_for_and_tells_how_it_went(ada: Caller, home: Path) -> None:
    account = an_account(ada.actor, receiving={"background": False})
    folder = a_folder(account)
    shown = a_message_in(folder, a_letter("Angebot"))
    assert ada.get(f"folders/{folder.id}/live").json() == {"live": True, "look": None}
    asked = ada.post(f"folders/{folder.id}/live", {})
    assert asked.status_code == 202
    look = asked.json()
    assert look["answered_at"] is None
    assert ada.post(f"folders/{folder.id}/live", {}).json()["id"] == look["id"], "asked once, however often"
    live.answered(int(look["id"]), [shown.id], more=True)
    told = ada.get(f"folders/{folder.id}/live").json()["look"]
    assert told["more"]
    assert [one["subject"] for one in told["messages"]] == ["Angebot"]
    behind = ada.post(f"folders/{folder.id}/live", {"before": shown.id}).json()
    assert behind["id"] != look["id"]
    found = ada.post(f"folders/{folder.id}/live", {"words": ["Rechnung", "März"]}).json()
    live.failed(account.id)
    told = ada.get(f"folders/{folder.id}/live?look={found['id']}").json()["look"]
    assert told["words"] == ["Rechnung", "März"]
    assert told["trouble"]["code"] == "not-connected"


def test_what_cannot_be_looked_at_is_refused(ada: Caller, bob: Caller, home: Path) -> None:
    kept = a_folder(an_account(ada.actor))
    refused = ada.post(f"folders/{kept.id}/live", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "folder-not-live")
    live_one = a_folder(an_account(ada.actor, "Zweite", receiving={"background": False}))
    address = f"folders/{live_one.id}/live"
    assert bob.post(address, {}).status_code == 404
    assert bob.get(address).status_code == 404
    assert ada.post(address, {"before": "nobody"}).status_code == 404
    assert ada.get(f"{address}?look=99999999").status_code == 404
    for words in ([], [" "], ["a\nb"], ["x" * 101], ["x"] * 11):
        assert ada.post(address, {"words": words}).status_code == 422
    assert ada.post(address, {"words": ["x"], "before": live_one.id}).status_code == 422
