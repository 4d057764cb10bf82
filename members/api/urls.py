"""Addresses of the API, version 1."""

from django.urls import path

from members.api import activity, batches, consents, description, jobs, segments, views

app_name = "api"

urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("members/", views.MembersView.as_view(), name="members"),
    path("members/<int:profile_id>/", views.MemberView.as_view(), name="member"),
    path(
        "members/<int:profile_id>/orders/",
        views.MemberOrdersView.as_view(),
        name="member_orders",
    ),
    path("members/<int:profile_id>/tags/", activity.MemberTagsView.as_view(), name="member_tags"),
    path(
        "members/<int:profile_id>/consents/",
        consents.MemberConsentsView.as_view(),
        name="member_consents",
    ),
    path("orders/", activity.OrdersView.as_view(), name="orders"),
    path("events/", activity.EventsView.as_view(), name="events"),
    path("touchpoints/", activity.TouchpointsView.as_view(), name="touchpoints"),
    path("tags/", activity.TagsView.as_view(), name="tags"),
    path("tags/<int:tag_id>/members/", activity.TaggedView.as_view(), name="tagged"),
    path("segments/", segments.SegmentsView.as_view(), name="segments"),
    path(
        "segments/<slug:segment>/members/",
        segments.SegmentMembersView.as_view(),
        name="segment_members",
    ),
    path("consents/", consents.ConsentsView.as_view(), name="consents"),
    path(
        "consents/entries/<int:entry_id>/",
        consents.ConsentEntryView.as_view(),
        name="consent_entry",
    ),
    path("batch/", batches.BatchView.as_view(), name="batch"),
    path("jobs/batches/", jobs.BatchesView.as_view(), name="batches"),
    path("jobs/batches/<uuid:batch_id>/", jobs.BatchJobView.as_view(), name="job_batch"),
    path("jobs/imports/", jobs.ImportsView.as_view(), name="imports"),
    path("jobs/imports/<int:job_id>/", jobs.ImportView.as_view(), name="job_import"),
    path("jobs/exports/", jobs.ExportsView.as_view(), name="exports"),
    path("jobs/exports/<uuid:export_id>/", jobs.ExportView.as_view(), name="job_export"),
    path("notices/", views.NoticesView.as_view(), name="notices"),
    path("visibility/", views.VisibilityView.as_view(), name="visibility"),
    path("schema/", description.SchemaView.as_view(), name="schema"),
    path("docs/", description.docs, name="docs"),
]
