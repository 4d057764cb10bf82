# ruff: noqa: E501 - some patterns are long
"""What every URL answers to whom: the table that `test_urls_matrix` holds the product to.

One line for each pattern of a resolver: the status of a GET by a person of each role, then the
pattern. Objects in it are brand tea's and store tea-1's of group acme; the guide, the store
manager, the provider's operator and the brand manager work there, the unit manager above, and the
sibling manages brand bakery of the same unit. The outsider is HQ of another group. Without a right
to a page it is 404 as if it were not there; who is not logged in (anonymous) is sent to the login.

A new URL fails the suite until its line is here: think about every column before writing it.
"""

from __future__ import annotations

ROLES = (
    "anonymous",
    "outsider",
    "platform_operator",
    "guide",
    "store_manager",
    "sibling_manager",
    "provider_operator",
    "brand_manager",
    "unit_manager",
    "analyst",
    "group_admin",
)


def _table(text: str) -> dict[str, str]:
    """Return pattern → statuses; the first line heads the columns, a pattern may be empty."""
    rows: dict[str, str] = {}
    for line in text.strip("\n").splitlines()[1:]:
        parts = line.split(None, len(ROLES))
        rows["".join(parts[len(ROLES) :])] = " ".join(parts[: len(ROLES)])
    return rows


GROUP = _table(r"""
anon out plat gui sto sib pro bra uni ana  HQ
405 405  405 405 405 405 405 405 405 405 405  admin/logout/
302 302  302 302 302 302 302 302 302 302 302  admin/password_change/
302 404  404 200 200 200 200 200 200 200 200  admin/search/
302 404  404 200 200 200 200 200 200 200 200  admin/
302 302  302 302 302 302 302 302 302 302 302  admin/login/
302 404  404 404 404 404 404 404 404 404 404  admin/autocomplete/
302 404  404 200 200 200 200 200 200 200 200  admin/jsi18n/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/grant/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/grant/add/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/grant/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/grant/<path:object_id>/delete/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/grant/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/tenants/grant/<path:object_id>/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/auditevent/
302 404  404 404 404 404 404 404 404 404 302  admin/tenants/auditevent/verify/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/auditevent/export/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/auditevent/add/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/auditevent/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/auditevent/<path:object_id>/delete/
302 404  404 404 404 404 404 404 404 404 200  admin/tenants/auditevent/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/tenants/auditevent/<path:object_id>/
302 404  404 405 405 405 405 405 405 405 405  admin/brands/businessunit/process_import/
302 404  404 404 404 404 404 404 404 404 200  admin/brands/businessunit/import/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/businessunit/export/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/businessunit/
302 404  404 404 404 404 404 404 404 404 200  admin/brands/businessunit/add/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/businessunit/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 200  admin/brands/businessunit/<path:object_id>/delete/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/businessunit/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/brands/businessunit/<path:object_id>/
302 404  404 405 405 405 405 405 405 405 405  admin/brands/brand/process_import/
302 404  404 404 404 404 404 404 404 404 200  admin/brands/brand/import/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/brand/export/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/brand/
302 404  404 404 404 404 404 404 404 404 200  admin/brands/brand/add/
302 404  404 404 200 404 200 200 200 200 200  admin/brands/brand/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/brands/brand/<path:object_id>/delete/
302 404  404 404 200 404 200 200 200 200 200  admin/brands/brand/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/brands/brand/<path:object_id>/
302 404  404 405 405 405 405 405 405 405 405  admin/brands/store/process_import/
302 404  404 404 404 200 200 200 200 404 200  admin/brands/store/import/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/store/export/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/store/
302 404  404 404 404 200 200 200 200 404 200  admin/brands/store/add/
302 404  404 404 200 404 200 200 200 200 200  admin/brands/store/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/brands/store/<path:object_id>/delete/
302 404  404 404 200 404 200 200 200 200 200  admin/brands/store/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/brands/store/<path:object_id>/
302 404  404 405 405 405 405 405 405 405 405  admin/brands/guide/process_import/
302 404  404 404 404 200 200 200 200 404 200  admin/brands/guide/import/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/guide/export/
302 404  404 404 200 200 200 200 200 200 200  admin/brands/guide/
302 404  404 404 404 200 200 200 200 404 200  admin/brands/guide/add/
302 404  404 404 200 404 200 200 200 200 200  admin/brands/guide/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/brands/guide/<path:object_id>/delete/
302 404  404 404 200 404 200 200 200 200 200  admin/brands/guide/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/brands/guide/<path:object_id>/
302 404  404 404 404 200 200 200 200 200 200  admin/brands/channelaccount/
302 404  404 404 404 200 200 200 200 404 200  admin/brands/channelaccount/add/
302 404  404 404 404 404 200 200 200 200 200  admin/brands/channelaccount/<path:object_id>/history/
302 404  404 404 404 404 200 200 200 404 200  admin/brands/channelaccount/<path:object_id>/delete/
302 404  404 404 404 404 200 200 200 200 200  admin/brands/channelaccount/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/brands/channelaccount/<path:object_id>/
302 404  404 404 404 200 200 200 200 200 200  admin/brands/modechange/
302 404  404 404 404 404 404 404 404 404 404  admin/brands/modechange/add/
302 404  404 404 404 404 200 200 200 200 200  admin/brands/modechange/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/brands/modechange/<path:object_id>/delete/
302 404  404 404 404 404 200 200 200 200 200  admin/brands/modechange/<path:object_id>/change/
302 404  404 302 302 302 302 302 302 302 302  admin/brands/modechange/<path:object_id>/
302 404  404 404 404 404 404 404 404 404 200  admin/^(?P<app_label>tenants|brands)/$
302 404  404 404 404 404 404 404 404 404 404  admin/(?P<url>.*)$
302 302  302 302 302 302 302 302 302 302 302  language/
200 302  302 302 302 302 302 302 302 302 302  accounts/login/
302 200  200 200 200 200 200 200 200 200 200  accounts/logout/
200 302  302 302 302 302 302 302 302 302 302  accounts/signup/
200 200  200 200 200 200 200 200 200 200 200  accounts/inactive/
302 200  200 200 200 200 200 200 200 200 200  accounts/reauthenticate/
302 200  200 200 200 200 200 200 200 200 200  accounts/password/change/
200 200  200 200 200 200 200 200 200 200 200  accounts/password/reset/
200 200  200 200 200 200 200 200 200 200 200  accounts/password/reset/done/
200 200  200 200 200 200 200 200 200 200 200  accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$
200 200  200 200 200 200 200 200 200 200 200  accounts/password/reset/key/done/
302 200  200 200 200 200 200 200 200 200 200  accounts/2fa/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/authenticate/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/reauthenticate/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/totp/activate/
302 404  404 404 404 404 404 404 404 404 404  accounts/2fa/totp/deactivate/
302 404  404 404 404 404 404 404 404 404 404  accounts/2fa/recovery-codes/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/recovery-codes/generate/
302 404  404 404 404 404 404 404 404 404 404  accounts/2fa/recovery-codes/download/
410 410  410 410 410 410 410 410 410 410 410  handoff/<str:token>/
302 404  404 302 302 302 302 302 302 302 302
302 404  404 405 405 405 405 405 405 405 405  acting/
302 404  404 404 404 404 404 404 200 200 200  group/
302 404  404 404 404 404 404 404 200 200 200  group/panels/<slug:name>/
302 404  404 404 404 404 200 200 200 200 200  brands/<slug:code>/
302 404  404 404 404 404 200 200 200 200 200  brands/<slug:code>/panels/<slug:name>/
302 404  404 200 200 404 200 200 200 200 200  stores/<int:store_id>/
302 404  404 200 200 404 200 200 200 200 200  stores/<int:store_id>/panels/<slug:name>/
302 404  404 404 404 200 200 200 200 200 200  mode/
302 404  404 404 404 404 404 404 404 404 200  mode/changes/<int:change_id>/undo/
302 404  404 404 404 404 404 404 404 404 200  mode/drafts/new/
302 404  404 404 404 404 404 404 404 200 200  mode/drafts/<int:draft_id>/
302 404  404 404 404 404 404 404 404 404 302  mode/drafts/<int:draft_id>/edit/
302 404  404 404 404 404 404 404 404 200 200  mode/drafts/<int:draft_id>/preview/
302 404  404 404 404 404 404 404 404 200 200  mode/drafts/<int:draft_id>/follow-up/
302 404  404 404 404 404 404 404 404 404 200  mode/drafts/<int:draft_id>/assessment/
302 404  404 404 404 404 404 404 404 404 405  mode/drafts/<int:draft_id>/decide/
302 404  404 404 404 404 404 404 404 200 200  mode/assessments/<int:assessment_id>/
302 404  404 404 404 404 404 404 404 404 200  hierarchy/brands/<slug:code>/leave/
302 404  404 404 404 404 404 404 404 404 405  hierarchy/brands/<slug:code>/stay/
302 404  404 404 404 200 200 200 200 200 200  notices/
302 404  404 404 404 200 200 200 200 200 200  notices/<int:notice_id>/
302 404  404 404 404 404 404 404 404 404 200  notices/<int:notice_id>/end/
302 404  404 404 404 404 404 404 404 404 405  notices/drafts/new/
302 404  404 404 404 404 404 404 404 404 200  notices/drafts/<int:notice_draft_id>/
302 404  404 404 404 404 404 404 404 404 200  notices/drafts/<int:notice_draft_id>/state/
302 404  404 404 404 404 404 404 404 404 405  notices/drafts/<int:notice_draft_id>/publish/
302 404  404 404 404 404 404 404 404 404 405  notices/drafts/<int:notice_draft_id>/discard/
302 404  404 404 200 200 200 200 200 200 200  hierarchy/
302 404  404 404 404 200 200 200 200 200 200  visibility/
302 404  404 404 404 200 200 200 200 200 200  tags/
302 404  404 404 404 405 405 405 405 404 405  tags/new/
302 404  404 404 404 405 405 405 405 404 405  tags/<int:tag_id>/meaning/
302 404  404 404 404 200 200 200 200 200 200  segments/
302 404  404 404 404 405 405 405 405 404 405  segments/new/
302 404  404 404 404 404 404 404 404 302 302  segments/group/<int:group_segment_id>/
302 404  404 404 404 404 302 302 302 302 302  segments/brand/<int:brand_segment_id>/
302 404  404 404 404 200 200 200 200 200 200  strata/
302 404  404 404 404 200 200 200 200 200 200  overlap/
302 404  404 404 404 200 200 200 200 200 200  sharing-records/
302 404  404 404 404 302 302 302 302 302 302  sharing-records/draft/
302 404  404 404 404 405 405 405 405 404 405  sharing-records/issue/
302 404  404 404 404 404 200 200 200 200 200  sharing-records/<int:number>/
302 404  404 404 404 404 404 404 404 404 200  view-as/
302 404  404 405 405 405 405 405 405 405 405  view-as/leave/
302 404  404 200 200 200 200 200 200 200 200  members/
302 404  404 200 200 404 200 200 200 200 200  members/<int:profile_id>/
302 404  404 405 405 405 405 405 405 405 405  members/views/new/
302 404  404 404 404 404 404 302 404 404 404  members/views/<int:own_view_id>/
302 404  404 405 405 405 405 405 405 404 405  members/<int:profile_id>/contact/
302 404  404 404 404 404 200 200 200 404 200  members/<int:profile_id>/consents/
302 404  404 404 404 404 200 200 200 404 200  members/<int:profile_id>/person/
302 404  404 404 404 200 200 200 200 404 200  persons/
302 404  404 404 404 404 404 404 404 200 200  persons/rules/
302 404  404 404 404 404 404 404 404 404 200  contact-data/
302 404  404 404 404 404 200 200 200 404 200  members/<int:profile_id>/rights/
302 404  404 404 404 200 200 200 200 404 200  rights/
302 404  404 404 404 405 405 405 405 404 405  rights/rule/
302 404  404 404 404 404 200 200 200 404 404  rights/<int:person_request_id>/
302 404  404 404 404 404 404 404 404 404 200  rights/group/<int:group_person_request_id>/
302 404  404 404 404 200 200 200 200 404 200  retention/
302 404  404 404 404 200 200 200 200 200 200  consents/
302 404  404 404 404 200 200 200 200 200 200  consents/gap/
302 404  404 404 404 404 200 200 200 404 404  consents/gap/<slug:code>/
302 404  404 404 404 404 302 302 302 404 404  consents/entries/<int:entry_id>/
302 404  404 404 404 404 404 404 404 404 302  consents/group-entries/<int:group_entry_id>/
302 404  404 404 404 200 200 200 200 404 200  imports/
302 404  404 404 404 200 200 200 200 404 404  imports/new/
302 404  404 404 404 200 200 200 200 404 404  imports/sources/
302 404  404 404 404 404 200 200 200 404 200  imports/<int:job_id>/
302 404  404 404 404 404 404 302 302 404 404  imports/<int:job_id>/columns/
302 404  404 404 404 405 405 405 405 404 404  imports/<int:job_id>/cancel/
302 404  404 404 404 405 405 405 405 404 404  imports/<int:job_id>/again/
302 404  404 404 404 405 405 405 405 404 404  imports/<int:job_id>/pause/
302 404  404 404 404 404 302 302 302 404 404  imports/<int:job_id>/undo/
302 404  404 404 404 405 405 405 405 404 404  imports/<int:job_id>/mend/
302 404  404 404 404 404 404 200 200 404 404  imports/<int:job_id>/rejected/
302 404  404 404 404 200 200 200 200 404 200  tokens/
302 404  404 404 404 405 405 405 405 404 405  tokens/<int:token_id>/exchange/
302 404  404 404 404 405 405 405 405 404 405  tokens/<int:token_id>/revoke/
302 404  404 404 200 200 200 200 200 200 200  exports/
302 404  404 404 200 200 200 200 200 200 200  exports/new/
302 404  404 404 404 404 404 200 404 404 404  exports/<uuid:export_id>/
302 404  404 404 405 405 405 405 405 405 405  exports/<uuid:export_id>/cancel/
302 404  404 404 405 405 405 405 405 405 405  exports/<uuid:export_id>/again/
302 404  404 404 405 405 405 405 405 405 405  exports/<uuid:export_id>/file/
401 401  401 401 401 401 401 401 401 401 401  api/v1/
401 401  401 401 401 401 401 401 401 401 401  api/v1/members/
401 401  401 401 401 401 401 401 401 401 401  api/v1/members/<int:profile_id>/
401 401  401 401 401 401 401 401 401 401 401  api/v1/members/<int:profile_id>/orders/
401 401  401 401 401 401 401 401 401 401 401  api/v1/members/<int:profile_id>/consents/
401 401  401 401 401 401 401 401 401 401 401  api/v1/members/<int:profile_id>/tags/
401 401  401 401 401 401 401 401 401 401 401  api/v1/orders/
401 401  401 401 401 401 401 401 401 401 401  api/v1/events/
401 401  401 401 401 401 401 401 401 401 401  api/v1/touchpoints/
401 401  401 401 401 401 401 401 401 401 401  api/v1/tags/
401 401  401 401 401 401 401 401 401 401 401  api/v1/tags/<int:tag_id>/members/
401 401  401 401 401 401 401 401 401 401 401  api/v1/segments/
401 401  401 401 401 401 401 401 401 401 401  api/v1/segments/<slug:segment>/members/
401 401  401 401 401 401 401 401 401 401 401  api/v1/batch/
401 401  401 401 401 401 401 401 401 401 401  api/v1/jobs/batches/
401 401  401 401 401 401 401 401 401 401 401  api/v1/jobs/batches/<uuid:batch_id>/
401 401  401 401 401 401 401 401 401 401 401  api/v1/jobs/imports/
401 401  401 401 401 401 401 401 401 401 401  api/v1/jobs/imports/<int:job_id>/
401 401  401 401 401 401 401 401 401 401 401  api/v1/jobs/exports/
401 401  401 401 401 401 401 401 401 401 401  api/v1/jobs/exports/<uuid:export_id>/
200 200  200 200 200 200 200 200 200 200 200  api/v1/schema/
200 200  200 200 200 200 200 200 200 200 200  api/v1/docs/
401 401  401 401 401 401 401 401 401 401 401  api/v1/consents/
401 401  401 401 401 401 401 401 401 401 401  api/v1/consents/entries/<int:entry_id>/
401 401  401 401 401 401 401 401 401 401 401  api/v1/notices/
401 401  401 401 401 401 401 401 401 401 401  api/v1/visibility/
""")

PLATFORM = _table(r"""
anon out plat gui sto sib pro bra uni ana  HQ
405 405  405 405 405 405 405 405 405 405 405  admin/logout/
302 302  302 302 302 302 302 302 302 302 302  admin/password_change/
302 404  200 404 404 404 200 404 404 404 404  admin/search/
302 404  200 404 404 404 404 404 404 404 404  admin/
302 302  302 302 302 302 302 302 302 302 302  admin/login/
302 404  404 404 404 404 404 404 404 404 404  admin/autocomplete/
302 404  200 404 404 404 404 404 404 404 404  admin/jsi18n/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/grant/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/grant/add/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/grant/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/grant/<path:object_id>/delete/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/grant/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/grant/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/auditevent/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/auditevent/verify/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/auditevent/export/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/auditevent/add/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/auditevent/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/auditevent/<path:object_id>/delete/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/auditevent/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/auditevent/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/<int:tenant_id>/state/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/<int:tenant_id>/suspend/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/<int:tenant_id>/suspend/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/add/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/tenant/<path:object_id>/delete/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/tenant/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/tenant/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/domain/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/domain/add/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/domain/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/domain/<path:object_id>/delete/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/domain/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/domain/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/user/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/user/add/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/user/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/user/<path:object_id>/delete/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/user/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/user/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/serviceprovider/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/serviceprovider/add/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/serviceprovider/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/serviceprovider/<path:object_id>/delete/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/serviceprovider/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/serviceprovider/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/engagement/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/engagement/add/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/engagement/<path:object_id>/history/
302 404  404 404 404 404 404 404 404 404 404  admin/tenants/engagement/<path:object_id>/delete/
302 404  200 404 404 404 404 404 404 404 404  admin/tenants/engagement/<path:object_id>/change/
302 404  302 404 404 404 404 404 404 404 404  admin/tenants/engagement/<path:object_id>/
302 404  200 404 404 404 404 404 404 404 404  admin/^(?P<app_label>tenants)/$
302 404  404 404 404 404 404 404 404 404 404  admin/(?P<url>.*)$
302 302  302 302 302 302 302 302 302 302 302  language/
200 302  302 302 302 302 302 302 302 302 302  accounts/login/
302 200  200 200 200 200 200 200 200 200 200  accounts/logout/
200 302  302 302 302 302 302 302 302 302 302  accounts/signup/
200 200  200 200 200 200 200 200 200 200 200  accounts/inactive/
302 200  200 200 200 200 200 200 200 200 200  accounts/reauthenticate/
302 200  200 200 200 200 200 200 200 200 200  accounts/password/change/
200 200  200 200 200 200 200 200 200 200 200  accounts/password/reset/
200 200  200 200 200 200 200 200 200 200 200  accounts/password/reset/done/
200 200  200 200 200 200 200 200 200 200 200  accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$
200 200  200 200 200 200 200 200 200 200 200  accounts/password/reset/key/done/
302 200  200 200 200 200 200 200 200 200 200  accounts/2fa/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/authenticate/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/reauthenticate/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/totp/activate/
302 404  404 404 404 404 404 404 404 404 404  accounts/2fa/totp/deactivate/
302 404  404 404 404 404 404 404 404 404 404  accounts/2fa/recovery-codes/
302 302  302 302 302 302 302 302 302 302 302  accounts/2fa/recovery-codes/generate/
302 404  404 404 404 404 404 404 404 404 404  accounts/2fa/recovery-codes/download/
302 200  200 200 200 200 200 200 200 200 200
302 405  405 405 405 405 405 405 405 405 405  enter/<int:grant_id>/
""")

# What is only posted: (site, pattern) → data, statuses. The grant is the brand manager's own.
POSTS: dict[tuple[str, str], tuple[dict[str, str], str]] = {
    ("platform", "enter/<int:grant_id>/"): (
        {},
        "302 404 404 404 404 404 404 302 404 404 404",
    ),
    ("group", "acting/"): (
        {"grant": "0"},
        "302 404 404 404 404 404 404 404 404 404 404",
    ),
    ("group", "members/<int:profile_id>/contact/"): (
        {"reason": "Test"},
        "302 404 404 200 200 404 404 200 200 404 404",
    ),
    ("group", "members/views/new/"): (
        {"name": "Mine", "ordered": "yes"},
        "302 404 404 302 302 302 302 302 302 302 302",
    ),
    ("group", "contact-data/"): (
        {"act": "rule"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "mode/changes/<int:change_id>/undo/"): (
        {"reason": "Test"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "mode/drafts/new/"): (
        {"mode": "fan_max", "reason": "Test"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "mode/drafts/<int:draft_id>/edit/"): (
        {"mode": "fan_max", "reason": "Test"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "mode/drafts/<int:draft_id>/preview/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "mode/drafts/<int:draft_id>/assessment/"): (
        {"keep": "1"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "mode/drafts/<int:draft_id>/decide/"): (
        {"step": "withdraw"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "admin/tenants/auditevent/verify/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "hierarchy/brands/<slug:code>/leave/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 200",
    ),
    ("group", "hierarchy/brands/<slug:code>/stay/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "members/<int:profile_id>/consents/"): (
        {},
        "302 404 404 404 404 404 200 200 200 404 404",
    ),
    ("group", "notices/drafts/new/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "notices/drafts/<int:notice_draft_id>/publish/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "notices/drafts/<int:notice_draft_id>/discard/"): (
        {},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "tags/new/"): (
        {"name": "Test"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "tags/<int:tag_id>/meaning/"): (
        {"means": ""},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "segments/new/"): (
        {"name": "Test", "owner": "group", "ordered": "yes"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "segments/group/<int:group_segment_id>/"): (
        {"act": "rename", "name": "Test"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "segments/brand/<int:brand_segment_id>/"): (
        {"act": "rename", "name": "Test"},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "members/<int:profile_id>/person/"): (
        {},
        "302 404 404 404 404 404 302 302 302 404 302",
    ),
    ("group", "persons/"): ({}, "302 404 404 404 404 302 302 302 302 404 302"),
    ("group", "persons/rules/"): ({}, "302 404 404 404 404 404 404 404 404 404 422"),
    ("group", "strata/"): (
        {"rule": "group"},
        "302 404 404 404 404 422 422 422 422 422 422",
    ),
    ("group", "imports/new/"): (
        {"kind": "members"},
        "302 404 404 404 404 200 200 200 200 404 404",
    ),
    ("group", "imports/sources/"): (
        {"name": "Test"},
        "302 404 404 404 404 200 200 200 200 404 404",
    ),
    ("group", "imports/<int:job_id>/cancel/"): (
        {},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "imports/<int:job_id>/again/"): (
        {},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "imports/<int:job_id>/pause/"): (
        {},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "imports/<int:job_id>/undo/"): (
        {},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "imports/<int:job_id>/mend/"): (
        {},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "members/<int:profile_id>/rights/"): (
        {"what": "restriction"},
        "302 404 404 404 404 404 200 200 200 404 200",
    ),
    ("group", "rights/rule/"): (
        {"deadline_days": "10", "orders_months": "120"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "rights/<int:person_request_id>/"): (
        {"act": "refuse"},
        "302 404 404 404 404 404 302 302 302 404 404",
    ),
    ("group", "rights/group/<int:group_person_request_id>/"): (
        {"act": "refuse"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "retention/"): (
        {"act": "set", "purpose": "events", "days": "700"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "sharing-records/issue/"): (
        {"first": "2026-01-01", "last": "2026-01-31"},
        "302 404 404 404 404 302 302 302 302 404 302",
    ),
    ("group", "view-as/"): (
        {"role": "brand_manager", "place": "0"},
        "302 404 404 404 404 404 404 404 404 404 302",
    ),
    ("group", "view-as/leave/"): (
        {},
        "302 404 404 302 302 302 302 302 302 302 302",
    ),
    ("group", "exports/new/"): (
        {},
        "302 404 404 404 302 302 302 302 302 302 302",
    ),
    ("group", "exports/<uuid:export_id>/file/"): (
        {},
        "302 404 404 404 404 404 404 302 404 404 404",
    ),
    ("group", "exports/<uuid:export_id>/cancel/"): (
        {},
        "302 404 404 404 404 404 404 302 404 404 404",
    ),
    ("group", "exports/<uuid:export_id>/again/"): (
        {},
        "302 404 404 404 404 404 404 302 404 404 404",
    ),
    ("group", "tokens/<int:token_id>/exchange/"): (
        {},
        "302 404 404 404 404 404 404 200 404 404 404",
    ),
    ("group", "tokens/<int:token_id>/revoke/"): (
        {},
        "302 404 404 404 404 404 404 302 404 404 302",
    ),
    ("group", "language/"): (
        {"language": "zh-hans"},
        "302 302 302 302 302 302 302 302 302 302 302",
    ),
}

# Where someone who is not logged in is sent on without being asked to log in first.
OPEN_REDIRECTS = frozenset(
    {
        "language/",
        "accounts/2fa/authenticate/",
        "admin/password_change/",
        "admin/login/",
        "accounts/logout/",
    }
)
