"""OneID: which profiles are one person.

`resolution` brings persons up to date with links that changed; `whole` does so for all of a group
and checks it. Links come with identifiers (`rules`, `spaces`), components of links are clusters
(`graph`), and a cluster in which something contradicts is parted (`contradictions`, `refining`).
`moves` keeps the journal, `decisions` applies what was decided by hand, `own` keeps the persons of
a brand's own links, `open_persons` and `in_sight` say who is one person to HQ and to who works for
several brands, and `suggestions` and `likely` look for whom a person should look at.
"""

from members.identity.resolution import Resolved, begin_touching, resolve
from members.identity.rules import hot_profiles

__all__ = ["Resolved", "begin_touching", "hot_profiles", "resolve"]
