"""Pages of members and imports."""

from django.urls import path

from members.views import (
    consent_gap,
    consents,
    exports,
    imports,
    members,
    overlap,
    persons,
    rules,
    segments,
    sources,
    uploads,
)

app_name = "members"

urlpatterns = [
    path("members/", members.members, name="list"),
    path("members/<int:profile_id>/", members.member, name="detail"),
    path("members/<int:profile_id>/consents/", consents.member_consents, name="consents_of"),
    path("members/<int:profile_id>/person/", persons.person, name="person"),
    path("persons/", persons.persons, name="persons"),
    path("persons/rules/", persons.person_rules, name="person_rules"),
    path("consents/", consent_gap.consents, name="consents"),
    path("consents/gap/", consent_gap.gap, name="consent_gap"),
    path("consents/gap/<slug:code>/", consent_gap.gap_people, name="consent_gap_people"),
    path("consents/entries/<int:entry_id>/", consents.entry_state, name="consent_entry"),
    path(
        "consents/group-entries/<int:group_entry_id>/",
        consents.group_entry_state,
        name="consent_group_entry",
    ),
    path("segments/", segments.segments, name="segments"),
    path("segments/new/", segments.segment_new, name="segment_new"),
    path("segments/group/<int:group_segment_id>/", segments.group_segment, name="group_segment"),
    path("segments/brand/<int:brand_segment_id>/", segments.brand_segment, name="brand_segment"),
    path("strata/", rules.rules, name="strata"),
    path("overlap/", overlap.overlap, name="overlap"),
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", uploads.import_upload, name="import_upload"),
    path("imports/sources/", sources.import_sources, name="import_sources"),
    path("imports/<int:job_id>/", imports.import_watch, name="import_watch"),
    path("imports/<int:job_id>/columns/", uploads.import_columns, name="import_columns"),
    path("imports/<int:job_id>/cancel/", imports.import_cancel, name="import_cancel"),
    path("imports/<int:job_id>/again/", imports.import_again, name="import_again"),
    path("imports/<int:job_id>/rejected/", imports.import_rejected, name="import_rejected"),
    path("exports/", exports.exports, name="exports"),
    path("imports/<int:job_id>/pause/", imports.import_halt, name="import_pause"),
    path("imports/<int:job_id>/undo/", imports.import_take_back, name="import_undo"),
    path("imports/<int:job_id>/mend/", imports.import_mended, name="import_mend"),
    path("exports/new/", exports.export_new, name="export_new"),
    path("exports/<uuid:export_id>/", exports.export_watch, name="export_watch"),
    path("exports/<uuid:export_id>/cancel/", exports.export_cancel, name="export_cancel"),
    path("exports/<uuid:export_id>/again/", exports.export_again, name="export_again"),
    path("exports/<uuid:export_id>/file/", exports.export_file, name="export_file"),
]
