"""Consents by API: read a member's answers, hand answers in, see what came of them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from brands.models import Brand, Notice
from members import selectors
from members.api import shapes
from members.api.serializers import AnswerSerializer, AnswersSerializer
from members.api.shapes import described
from members.api.views import Body, GroupView
from members.consents.entries import answer_enter, answers_enqueue
from members.consents.ledger import AnswerRefused
from members.models import Consent, ConsentEntry, Entry, GroupConsentEntry, Profile
from tenants.api import PROBLEM, problem_body
from tenants.models import TokenAction

MOST_ANSWERS = 500


class MemberConsentsView(GroupView):
    """List a member's answers."""

    actions = {"GET": TokenAction.READ_CONSENTS}

    @described(
        "List a member's answers, the latest first",
        shapes.obj(consents=shapes.array(shapes.CONSENT)),
        refusals=(404,),
        needs=TokenAction.READ_CONSENTS,
    )
    def get(self, request: Request, profile_id: int) -> Response:
        """Return the answers collected in one membership, the latest first."""
        profile = self.profile(profile_id)
        is_own = self.own(profile.brand_id)
        consents = [self._body(one, is_own=is_own) for one in selectors.consents_of(profile)]
        return Response({"consents": consents})

    @staticmethod
    def _body(consent: Consent, *, is_own: bool) -> Body:
        notice = consent.answered_notice
        return {
            "notice": notice.version if notice else None,
            "answer": Entry.What.YES if consent.is_given else Entry.What.NO,
            "answered_at": consent.answered_at.isoformat(),
            "expires_at": consent.expires_at.isoformat() if consent.expires_at else None,
            "to_group": consent.is_to_group,
            "is_by_guardian": consent.is_by_guardian,
            # How a brand came to know it is the brand's.
            "channel": consent.channel if is_own else None,
            "evidence": consent.evidence if is_own else None,
        }


class ConsentsView(GroupView):
    """Take answers."""

    actions = {"POST": TokenAction.WRITE_CONSENTS}

    @described(
        "Hand answers in",
        shapes.ANSWERS,
        status=202,
        body=AnswersSerializer,
        refusals=(400, 415, 422),
        needs=TokenAction.WRITE_CONSENTS,
    )
    def post(self, request: Request) -> Response:
        """Hand in up to 500 answers; each line says what became of it.

        202 where at least one was taken, 422 where none was. The ledger is written by a job: an
        entry's own address says when, and what came of it.
        """
        lines = self._lines(request.data)
        checked = [AnswerSerializer(data=line) for line in lines]
        known = _Known([one.validated_data for one in checked if one.is_valid()])
        results = [
            {"line": number, **self._taken(one, known)} for number, one in enumerate(checked)
        ]
        taken = sum("entry" in result for result in results)
        body = {"taken": taken, "refused": len(results) - taken, "answers": results}
        if taken:
            answers_enqueue()
            return Response(body, status=202)
        detail = _("None of the answers was taken. “answers” says why.")
        return Response(problem_body(422, detail, **body), status=422, content_type=PROBLEM)

    @staticmethod
    def _lines(data: Any) -> list[Any]:
        if not isinstance(data, dict) or set(data) != {"answers"}:
            raise ValidationError({"answers": [_("Send an object with “answers” alone: a list.")]})
        lines = data["answers"]
        if not isinstance(lines, list) or not 1 <= len(lines) <= MOST_ANSWERS:
            raise ValidationError(
                {"answers": [_("Send a list of 1 to %(most)d answers.") % {"most": MOST_ANSWERS}]}
            )
        return lines

    def _taken(self, checked: AnswerSerializer, known: _Known) -> Body:
        if checked.errors:
            return {"state": Entry.State.REFUSED, "errors": checked.errors}
        try:
            with transaction.atomic():
                entry = self._enter(checked.validated_data, known)
        except AnswerRefused as refusal:
            return {"state": Entry.State.REFUSED, "detail": str(refusal)}
        address = reverse("api:consent_entry", args=[entry.pk])
        return {
            "state": entry.state,
            "entry": entry.pk,
            "url": self.request.build_absolute_uri(address),
        }

    def _enter(self, answer: dict[str, Any], known: _Known) -> Entry:
        profile = None
        if "profile" in answer:
            profile = known.profiles.get(answer["profile"])
            if profile is None:
                raise AnswerRefused(_("There is no such member among those this token sees."))
        notice = None
        if "notice" in answer:
            notice = known.notices.get(answer["notice"])
            if notice is None:
                raise AnswerRefused(_("There is no notice of this version. See /api/v1/notices/."))
        brand_id = None
        if "brand" in answer:
            brand_id = known.brands.get(answer["brand"])
            if brand_id is None or (profile is not None and profile.brand_id != brand_id):
                raise AnswerRefused(_("There is no such member among those this token sees."))
        identity = answer.get("identity")
        return answer_enter(
            visible=self.visible,
            what=answer["answer"],
            acting_user=self.group_request.user,
            profile=profile,
            brand_id=brand_id,
            member_no=answer.get("member_no", ""),
            identity=(identity["kind"], identity["value"]) if identity else None,
            notice=notice,
            at=answer.get("answered_at"),
            channel=answer["channel"],
            evidence=answer["evidence"],
            is_by_guardian=answer["is_by_guardian"],
            minor_until=answer.get("minor_until"),
            to_group=answer["to_group"],
            request_key=answer.get("key"),
            tells_worker=False,
        )


class _Known:
    """Look up once what the lines of a batch name, through the wall."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        def named(name: str) -> set[Any]:
            return {answer[name] for answer in answers if name in answer}

        self.profiles = Profile.objects.in_bulk(named("profile"))
        self.notices = {
            notice.version: notice for notice in Notice.objects.filter(version__in=named("notice"))
        }
        self.brands = dict(Brand.objects.filter(code__in=named("brand")).values_list("code", "pk"))


class ConsentEntryView(GroupView):
    """Say what came of an answer that was handed in."""

    actions = {"GET": TokenAction.WRITE_CONSENTS}

    @described(
        "Show what came of an answer",
        shapes.ENTRY,
        refusals=(404,),
        needs=TokenAction.WRITE_CONSENTS,
    )
    def get(self, request: Request, entry_id: int) -> Response:
        """Return an entry of the token's own side: waiting, recorded, or refused with why."""
        model = GroupConsentEntry if self.visible.viewer.is_hq else ConsentEntry
        entry: Entry = get_object_or_404(
            model.objects.select_related("answered_notice"), pk=entry_id
        )
        notice = entry.answered_notice
        return Response(
            {
                "entry": entry.pk,
                "answer": entry.what,
                "notice": notice.version if notice else None,
                "answered_at": entry.answered_at.isoformat(),
                "state": entry.state,
                "outcome": entry.outcome,
                "recorded_at": entry.recorded_at.isoformat() if entry.recorded_at else None,
            }
        )
