"""Pages of the hierarchy, the mode and the dashboards."""

from django.urls import path

from brands.views import (
    drafts,
    hierarchy,
    leaving,
    modes,
    notices,
    places,
    records,
    sharing,
    view_as,
)

app_name = "brands"

urlpatterns = [
    path("", places.home, name="home"),
    path("acting/", places.acting, name="acting"),
    path("group/", places.group, name="group"),
    path("group/panels/<slug:name>/", places.group_panel, name="group_panel"),
    path("brands/<slug:code>/", places.brand, name="brand"),
    path("brands/<slug:code>/panels/<slug:name>/", places.brand_panel, name="brand_panel"),
    path("stores/<int:store_id>/", places.store, name="store"),
    path("stores/<int:store_id>/panels/<slug:name>/", places.store_panel, name="store_panel"),
    path("mode/", modes.mode, name="mode"),
    path("mode/changes/<int:change_id>/undo/", modes.undo, name="mode_undo"),
    path("mode/drafts/new/", modes.draft_new, name="mode_draft_new"),
    path("mode/drafts/<int:draft_id>/", drafts.draft, name="mode_draft"),
    path("mode/drafts/<int:draft_id>/edit/", modes.draft_edit, name="mode_draft_edit"),
    path("mode/drafts/<int:draft_id>/preview/", drafts.draft_preview, name="mode_preview"),
    path("mode/drafts/<int:draft_id>/follow-up/", drafts.draft_followed, name="mode_followed"),
    path("mode/drafts/<int:draft_id>/assessment/", drafts.assessment, name="mode_assess"),
    path("mode/drafts/<int:draft_id>/decide/", drafts.draft_decide, name="mode_decide"),
    path(
        "mode/assessments/<int:assessment_id>/",
        drafts.assessment_document,
        name="mode_assessment",
    ),
    path("hierarchy/", hierarchy.hierarchy, name="hierarchy"),
    path("visibility/", sharing.visibility, name="visibility"),
    path("sharing-records/", records.records, name="sharing_records"),
    path("sharing-records/draft/", records.draft, name="sharing_record_draft"),
    path("sharing-records/issue/", records.issue, name="sharing_record_issue"),
    path("sharing-records/<int:number>/", records.record, name="sharing_record"),
    path("view-as/", view_as.look, name="view_as"),
    path("view-as/leave/", view_as.leave, name="view_as_leave"),
    path("hierarchy/brands/<slug:code>/leave/", leaving.leave, name="brand_leave"),
    path("hierarchy/brands/<slug:code>/stay/", leaving.stay, name="brand_stay"),
    path("notices/", notices.notices, name="notices"),
    path("notices/<int:notice_id>/", notices.notice, name="notice"),
    path("notices/<int:notice_id>/end/", notices.end, name="notice_end"),
    path("notices/drafts/new/", notices.draft_new, name="notice_draft_new"),
    path("notices/drafts/<int:notice_draft_id>/", notices.draft, name="notice_draft"),
    path(
        "notices/drafts/<int:notice_draft_id>/state/",
        notices.draft_state,
        name="notice_draft_state",
    ),
    path(
        "notices/drafts/<int:notice_draft_id>/publish/",
        notices.draft_publish_again,
        name="notice_draft_publish",
    ),
    path(
        "notices/drafts/<int:notice_draft_id>/discard/",
        notices.draft_discard,
        name="notice_draft_discard",
    ),
]
