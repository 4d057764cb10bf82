"""Notices: the list, one notice, its drafts, and its end."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from brands.models import Brand, Notice, NoticeDraft
from brands.notice_forms import DraftForm, EndForm
from brands.notices import NoticeFacts, notice_facts
from brands.selectors import Standing
from brands.services import notices as services
from brands.services.notices import Content, NoticeRefused
from brands.tasks import publish_enqueue
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from tenants.access import permission_required


@permission_required("brands.view_notice")
@require_GET
def notices(request: GroupRequest) -> HttpResponse:
    """List the notices, the newest first, and for those who write them the drafts."""
    may_write = request.user.has_perm("brands.add_notice")
    unfinished = NoticeDraft.objects.exclude(state=NoticeDraft.State.PUBLISHED)
    context = {
        "title": _("Notices"),
        "rows": notice_facts(),
        "drafts": list(unfinished) if may_write else [],
        "may_write": may_write,
    }
    return render(request, "brands/notice_list.html", context)


def _facts(notice_id: int, **options: bool) -> NoticeFacts:
    found = notice_facts(pk=notice_id, **options)
    if not found:
        raise Http404
    return found[0]


@permission_required("brands.view_notice")
@require_GET
def notice(request: GroupRequest, notice_id: int) -> HttpResponse:
    """Show one notice: its words, its recipients, and how many members' yes answers it."""
    facts = _facts(notice_id)
    may_write = request.user.has_perm("brands.add_notice")
    context = {
        "title": facts.title,
        "facts": facts,
        "people": _by_brand(facts),
        "endings": list(facts.notice.endings.all()),
        "may_write": may_write,
        "may_end": may_write and facts.standing is not Standing.ENDED,
    }
    return render(request, "brands/notice_detail.html", context)


def _by_brand(facts: NoticeFacts) -> list[tuple[Brand, int | None]]:
    brands = Brand.objects.in_bulk(facts.people)
    rows = [(brands[pk], people) for pk, people in facts.people.items() if pk in brands]
    return sorted(rows, key=lambda row: row[0].code)


def _wished(request: GroupRequest) -> Content | None:
    """Return the recipients and kinds that another page asks for, where it does."""
    codes, kinds = request.POST.getlist("brand"), set(request.POST.getlist("kind"))
    if not codes and not kinds and "group" not in request.POST:
        return None
    brands = Brand.objects.filter(code__in=codes, left_at=None).order_by("code")
    return Content(
        names_group="group" in request.POST,
        brands=tuple(brands.values_list("pk", flat=True)),
        covers_profile=Kind.PROFILE in kinds,
        covers_contact=Kind.CONTACT in kinds,
        covers_activity=Kind.ACTIVITY in kinds,
    )


@permission_required("brands.add_notice")
@require_POST
def draft_new(request: GroupRequest) -> HttpResponse:
    """Begin a draft: empty, as the next version of a notice, or for what another page needs."""
    based_on, wished = None, _wished(request)
    if number := request.POST.get("from"):
        based_on = get_object_or_404(Notice, pk=number if number.isdecimal() else None)
    if based_on is not None and wished is not None:
        wished = replace(
            Content.of_notice(based_on),
            names_group=wished.names_group,
            brands=wished.brands,
            covers_profile=wished.covers_profile,
            covers_contact=wished.covers_contact,
            covers_activity=wished.covers_activity,
        )
    draft = services.draft_create(acting_user=request.user, based_on=based_on, content=wished)
    return redirect("brands:notice_draft", draft.pk)


@permission_required("brands.add_notice")
def draft(request: GroupRequest, notice_draft_id: int) -> HttpResponse:
    """Write a draft; publish it once nothing is missing."""
    kept = get_object_or_404(
        NoticeDraft.objects.select_related("based_on", "notice"), pk=notice_draft_id
    )
    if kept.state == NoticeDraft.State.PUBLISHED:
        return redirect("brands:notice", kept.notice_id)
    language = request.tenant.locale
    content = Content.of_json(kept.content)
    form = DraftForm(request.POST if request.method == "POST" else None, content=content)
    if request.method == "POST" and form.is_valid():
        try:
            services.draft_save(draft=kept, content=form.content, acting_user=request.user)
            if "publish" not in request.POST:
                messages.success(request, _("The draft is kept."))
                return redirect("brands:notice_draft", kept.pk)
            services.publish_ask(draft=kept, language=language, acting_user=request.user)
            publish_enqueue(kept.pk)
        except NoticeRefused as error:
            messages.error(request, str(error))
        return redirect("brands:notice_draft", kept.pk)
    now = timezone.now()
    context = {
        "title": _("Draft of a notice"),
        "draft": kept,
        "form": form,
        "problems": services.problems(content, language=language, now=now),
        "group_language": language,
        "is_queued": kept.state == NoticeDraft.State.QUEUED,
    }
    return render(request, "brands/notice_draft.html", context)


@permission_required("brands.add_notice")
@require_GET
def draft_state(request: GroupRequest, notice_draft_id: int) -> HttpResponse:
    """Say whether a draft is published by now; asked by htmx while one waits."""
    kept = get_object_or_404(NoticeDraft, pk=notice_draft_id)
    if kept.state == NoticeDraft.State.QUEUED:
        return render(request, "brands/_notice_queued.html", {"draft": kept})
    response = HttpResponse()
    # The page that follows says what came of it.
    response["HX-Refresh"] = "true"
    return response


@permission_required("brands.add_notice")
@require_POST
def draft_publish_again(request: GroupRequest, notice_draft_id: int) -> HttpResponse:
    """Wake the worker again for a draft that waits to be published."""
    kept = get_object_or_404(NoticeDraft, pk=notice_draft_id)
    if kept.state == NoticeDraft.State.QUEUED:
        publish_enqueue(kept.pk)
    return redirect("brands:notice_draft", kept.pk)


@permission_required("brands.add_notice")
@require_POST
def draft_discard(request: GroupRequest, notice_draft_id: int) -> HttpResponse:
    """Throw a draft away."""
    kept = get_object_or_404(NoticeDraft, pk=notice_draft_id)
    try:
        services.draft_discard(draft=kept, acting_user=request.user)
    except NoticeRefused as error:
        messages.error(request, str(error))
        return redirect("brands:notice_draft", kept.pk)
    messages.success(request, _("The draft is thrown away. No notice was touched."))
    return redirect("brands:notices")


@permission_required("brands.change_notice")
def end(request: GroupRequest, notice_id: int) -> HttpResponse:
    """Say in numbers what closes when a notice ends (GET), then end it (POST)."""
    facts = _facts(notice_id)
    if facts.standing is Standing.ENDED:
        messages.info(request, _("This notice has ended already. Nothing was changed."))
        return redirect("brands:notice", notice_id)
    form = EndForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            services.notice_end(
                notice=facts.notice,
                acting_user=request.user,
                at=form.cleaned_data["at"],
                reason=form.cleaned_data["reason"],
            )
            messages.success(request, _("Done. From then on no yes to this notice counts."))
            return redirect("brands:notice", notice_id)
        except NoticeRefused as error:
            form.add_error("at", str(error))
    context = {
        "title": _("End this notice?"),
        "facts": facts,
        "people": _by_brand(facts),
        "form": form,
    }
    return render(request, "brands/notice_end.html", context)
