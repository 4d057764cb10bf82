"""From a cell of a preview to its reasons, as they are and as they would be."""

from __future__ import annotations

import html
import re

from brands.modes import Mode


def test_each_cell_of_a_preview_leads_to_its_reasons_of_today_and_then(cast, visit, steps):
    draft = steps.draft("fan_max")
    client = visit(cast.group_admin)
    page = html.unescape(client.get(f"/mode/drafts/{draft.pk}/").content.decode())
    asked = set(re.findall(r'href="(/visibility/\?[^"#]*)#answer"', page))
    (hq,) = (one for one in asked if "who=hq&" in one and "of=tea&kind=contact" in one)
    answers = client.get(hq).content.decode().split('id="answer"')[1].split("</section>")[0]
    today, then = answers.split("If this draft is approved")
    said = [re.findall(r"Tea House is (\S+), as the group is", one) for one in (today, then)]
    assert said == [[str(Mode.MEMBER_MAX.label)], [str(Mode.FAN_MAX.label)]]
    (sibling,) = (
        one for one in asked if "who=brand%3Abakery&" in one and "of=tea&kind=profile" in one
    )
    assert client.get(sibling).status_code == 200
    # Whoever reads no drafts learns of none.
    assert visit(cast.brand_manager).get(hq.replace("who=hq", "who=me")).status_code == 404
