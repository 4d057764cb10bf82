"""One's tokens for the API: make, exchange and revoke them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from tenants import tokens
from tenants.access import permission_required
from tenants.models import ApiToken, Grant
from tenants.places import Place, brands_shown
from tenants.requests import SluiceRequest
from tenants.tokens import TokenRefused


def _terms() -> list[tuple[int, str]]:
    return [
        (days, ngettext("%(days)d day", "%(days)d days", days) % {"days": days})
        for days in tokens.DAYS_OFFERED
    ]


class TokenForm(forms.Form):
    """Ask what a token is called, what it may be used for, and for how long."""

    name = forms.CharField(
        label=gettext_lazy("Program"),
        max_length=80,
        help_text=gettext_lazy("Which program will use it, for example “Till system”."),
    )
    actions = forms.MultipleChoiceField(
        label=gettext_lazy("It may"), widget=forms.CheckboxSelectMultiple
    )
    brands = forms.MultipleChoiceField(
        label=gettext_lazy("For"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "None chosen: all that you are shown, also of brands that are added later."
        ),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("It holds for"),
        coerce=int,
        choices=_terms,
        initial=tokens.DAYS_OFFERED[1],
    )

    def __init__(self, *args: object, grant: Grant, brands: list[Place], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        fields: dict[str, Any] = self.fields
        actions = tokens.actions_of(grant)
        fields["actions"].choices = [(action.value, action.label) for action in actions]
        self._brands = {str(place.id): place.name for place in brands}
        fields["brands"].choices = list(self._brands.items())
        if len(brands) < 2:
            del fields["brands"]

    def clean_brands(self) -> dict[int, str]:
        """Return number → name of the brands chosen."""
        return {int(pk): self._brands[pk] for pk in self.cleaned_data["brands"]}


def _grant(request: SluiceRequest) -> Grant:
    """Return the grant acted under; an unsaved one is that which HQ looks at the site through."""
    if request.grant is None:
        raise Http404
    return request.grant


def _token(request: SluiceRequest, token_id: int) -> ApiToken:
    token = tokens.tokens_shown(grant=_grant(request)).filter(pk=token_id).first()
    if token is None:
        raise Http404
    return token


@permission_required("tenants.view_apitoken")
@sensitive_variables("text")
def own_tokens(request: SluiceRequest) -> HttpResponse:
    """List the tokens one may know of; make a new one of one's own grant, shown this once."""
    grant = _grant(request)
    form = TokenForm(
        request.POST if request.method == "POST" else None,
        grant=grant,
        brands=brands_shown(request.visible),
    )
    if request.method == "POST" and form.is_valid():
        try:
            token, text = tokens.token_create(
                grant=grant, acting_user=request.user, **form.cleaned_data
            )
        except TokenRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return _shown_once(request, token, text)
    context = {
        "title": _("API tokens"),
        "form": form,
        "tokens": [
            (token, token.grant_id == grant.pk) for token in tokens.tokens_shown(grant=grant)
        ],
        "shows_holders": grant.level == "group",
        "ends_with": grant.engagement,
        "is_looked_as": grant.pk is None,
    }
    return render(request, "tenants/tokens.html", context)


def _shown_once(request: SluiceRequest, token: ApiToken, text: str) -> HttpResponse:
    context = {"title": _("Your new token"), "token": token, "text": text}
    return render(request, "tenants/token_made.html", context)


@permission_required("tenants.add_apitoken")
@require_POST
@sensitive_variables("text")
def token_exchange(request: SluiceRequest, token_id: int) -> HttpResponse:
    """Make a new token in the place of an own one, and show it this once."""
    old = _token(request, token_id)
    if old.grant_id != _grant(request).pk:
        raise Http404
    try:
        token, text = tokens.token_exchange(token=old, acting_user=request.user)
    except TokenRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("tokens")
    return _shown_once(request, token, text)


@permission_required("tenants.add_apitoken")
@require_POST
def token_revoke(request: SluiceRequest, token_id: int) -> HttpResponse:
    """End a token now."""
    token = tokens.token_revoke(token=_token(request, token_id), acting_user=request.user)
    messages.success(
        request,
        _("“%(name)s” is revoked: the next request with it is refused.") % {"name": token.name},
    )
    return redirect("tokens")
