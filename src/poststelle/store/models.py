"""Where Django looks for the tables; they are defined in `store.tables`. Private to the store: everyone else gets records.

Laws: secrets are stored only as sealed values (store.secrets). Every table that belongs to a data pool carries it or hangs on
one that does.
"""

from poststelle.store.tables.correspondents import (
    Acquaintance,
    Correspondence,
    Correspondent,
    CorrespondentsRead,
    CorrespondentWord,
)
from poststelle.store.tables.journal import Journal
from poststelle.store.tables.mail import (
    Errand,
    Folder,
    LiveWish,
    Message,
    Placement,
    Segment,
    SetAside,
    ThreadLink,
    ThreadTopic,
)
from poststelle.store.tables.mailbox import (
    Account,
    Event,
    Grant,
    Group,
    HandOver,
    Identity,
    Login,
    OutgoingServer,
    Template,
)
from poststelle.store.tables.outgoing import Outgoing, Recipient
from poststelle.store.tables.people import Office, Pool, Session, Token, User, UserManager
from poststelle.store.tables.work import Branch, Looked, Mention, Note, Presence, Tag, Task, Trust

__all__ = [
    "Account", "Acquaintance", "Branch", "Correspondence", "Correspondent", "CorrespondentWord", "CorrespondentsRead", "Errand",
    "Event", "Folder", "Grant", "Group", "HandOver", "Identity", "Journal", "LiveWish",
    "Login", "Looked", "Mention", "Message", "Note", "Office", "Outgoing", "OutgoingServer", "Placement", "Pool", "Presence", "Recipient",
    "Segment", "Session", "SetAside", "Tag", "Task", "Template", "ThreadLink", "ThreadTopic", "Token", "Trust", "User", "UserManager",
]  # fmt: skip
