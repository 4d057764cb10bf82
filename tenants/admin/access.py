"""Grants, on the platform's site and on each group's own."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextInputWidget,
)

from tenants import services
from tenants.accounts import send_password_link
from tenants.admin_base import AuditedAdmin
from tenants.models import Engagement, Grant, Tenant, User
from tenants.places import Place, current_places, find_place
from tenants.requests import AdminRequest
from tenants.roles import PLATFORM_ROLES, Level, Role
from tenants.services import GrantRefused, GrantTerms
from tenants.sites import group_site, platform_site

_PLACED = {Level.UNIT, Level.BRAND, Level.STORE}


class GrantForm(forms.ModelForm):
    """Ask whom to let in, as what, where and until when. `acting_user` is set by the admin."""

    acting_user: User
    # Roles that this form does not give.
    other_roles: frozenset[Role] = frozenset()
    email = forms.EmailField(
        label=_("E-mail"),
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("A person who is new here receives an e-mail with a link to set a password."),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("For a new person; the name of someone who has a login stays as it is."),
    )

    class Meta:
        model = Grant
        fields = ["role", "engagement", "valid_from", "valid_until", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # No role is offered first: the strongest would be chosen by not looking.
        role: Any = self.fields["role"]
        role.choices = [
            ("", "---------"),
            *((role.value, role.label) for role in Role if role not in self.other_roles),
        ]

    def terms(self, cleaned: dict[str, Any]) -> GrantTerms:
        """Return what was asked for."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any] | None:
        """Refuse what the service would refuse, while the form can still be corrected."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        email = cleaned["email"].strip()
        user = User.objects.filter(email__iexact=email).first()
        if user is not None and not user.is_active:
            raise ValidationError(
                {
                    "email": _(
                        "This login is switched off. The platform's operator can switch it on."
                    )
                }
            )
        try:
            cleaned["terms"] = self.terms(cleaned)
            services.grant_check(user=user, terms=cleaned["terms"], acting_user=self.acting_user)
        except GrantRefused as refusal:
            raise ValidationError(str(refusal)) from refusal
        return cleaned

    def _post_clean(self) -> None:
        """Leave the model's own checks to the service: the row is not complete before it."""


def _grouped(places: list[Place]) -> list[Any]:
    of_level = {
        level: [
            (place.key, f"{place.name} ({place.code})") for place in places if place.level == level
        ]
        for level in Level
        if level in _PLACED
    }
    return [("", _("The whole group"))] + [
        (level.label, choices) for level, choices in of_level.items() if choices
    ]


class GroupGrantForm(GrantForm):
    """Give a role inside one group; no choice leads out of it. `tenant` is set by the admin."""

    tenant: Tenant
    other_roles = PLATFORM_ROLES
    place = forms.ChoiceField(
        label=_("Place"),
        required=False,
        widget=UnfoldAdminSelect2Widget,
        help_text=_("HQ roles: the whole group. A manager's role: the unit, brand or store."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = {place.key: place for place in current_places()}
        place: Any = self.fields["place"]
        place.choices = _grouped(list(self._places.values()))
        place.widget.choices = place.choices
        engagement: Any = self.fields["engagement"]
        engagement.queryset = Engagement.objects.filter(
            tenant=self.tenant, ends_on__gte=timezone.now().date()
        ).select_related("provider", "tenant")
        engagement.help_text = _(
            "For a service provider's person: access then ends with the contract and holds no "
            "contact data unless the contract names it."
        )

    def terms(self, cleaned: dict[str, Any]) -> GrantTerms:
        """Return what was asked for, inside this group."""
        return GrantTerms(
            role=cleaned["role"],
            tenant=self.tenant,
            place=self._places.get(cleaned["place"]),
            engagement=cleaned["engagement"],
            valid_from=cleaned["valid_from"],
            valid_until=cleaned["valid_until"],
            reason=cleaned["reason"],
        )


class PlatformGrantForm(GrantForm):
    """Give any role; a place inside a group is named by its code."""

    place_code = forms.CharField(
        label=_("Place"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The code of the unit or brand, or brand/store; empty for other roles."),
    )

    class Meta(GrantForm.Meta):
        fields = [*GrantForm.Meta.fields, "tenant", "provider"]

    def terms(self, cleaned: dict[str, Any]) -> GrantTerms:
        """Return what was asked for; find the place in the group's own schema."""
        role, tenant = cleaned["role"], cleaned["tenant"]
        level, place = services.level_of(role), None
        if level in _PLACED and tenant is not None:
            if not tenant.is_active:
                raise GrantRefused(_("This group is not active: its places cannot be found."))
            code = cleaned["place_code"]
            place = find_place(tenant=tenant, level=level, code=code)
            if place is None:
                raise GrantRefused(
                    _("The group has no place “%(code)s” of the level “%(level)s”.")
                    % {"code": code, "level": level.label}
                )
        return GrantTerms(
            role=role,
            tenant=tenant,
            place=place,
            provider=cleaned["provider"],
            engagement=cleaned["engagement"],
            valid_from=cleaned["valid_from"],
            valid_until=cleaned["valid_until"],
            reason=cleaned["reason"],
        )


class EndForm(forms.ModelForm):
    """Change when a grant ends and why; everything else is a new grant."""

    acting_user: User

    class Meta:
        model = Grant
        fields = ["valid_until", "reason"]

    def clean_valid_until(self) -> dt.datetime | None:
        """Refuse to prolong a grant of one's own, and one that one could not have given."""
        until: dt.datetime | None = self.cleaned_data["valid_until"]
        before, grant, giver = (
            self.initial["valid_until"],
            self.instance,
            self.acting_user.acting_grant,
        )
        if before is None or (until is not None and until <= before):
            return until
        if grant.user_id == self.acting_user.pk:
            raise ValidationError(_("Nobody prolongs a grant of their own. Ask another admin."))
        if giver and services.outlasts(until, giver):
            raise ValidationError(
                _("Your own grant ends earlier: what you give cannot outlast it.")
            )
        if giver and giver.engagement_id and giver.engagement_id != grant.engagement_id:
            raise ValidationError(
                _("You act under an engagement and can prolong only what runs through the same.")
            )
        return until


class HoldsFilter(admin.SimpleListFilter):
    """Show the grants that hold now, unless asked for others."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: AdminRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states."""
        return [("all", _("All, ended ones too")), ("ended", _("Ended"))]

    def queryset(self, request: AdminRequest, queryset: QuerySet[Grant]) -> QuerySet[Grant]:
        """Keep the grants of the chosen state."""
        ended = Q(valid_until__lte=timezone.now())
        if self.value() == "all":
            return queryset
        return queryset.filter(ended) if self.value() == "ended" else queryset.exclude(ended)

    def choices(self, changelist: Any) -> Any:
        """Name the default for what it shows."""
        for number, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("Not ended")} if number == 0 else choice


class GrantAdmin(AuditedAdmin):
    """Give and end grants; a grant that was held is never deleted."""

    never_deleted = True
    list_display = ["person", "role", "place", "engagement", "valid_from", "valid_until", "holds"]
    list_display_links = ["person"]
    list_select_related = [
        "user",
        "tenant",
        "provider",
        "engagement__provider",
        "engagement__tenant",
    ]
    search_fields = ["user__email", "user__name", "place_name"]
    search_help_text = _("Search by e-mail, name or place")
    actions = ["end_now"]
    ordering = ["-id"]
    add_form: type[GrantForm]
    add_fields: list[str]
    shown = ["person", "role", "place", "engagement", "valid_from"]

    def get_form(
        self, request: AdminRequest, obj: Grant | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        """Ask everything of a new grant, and only its end of an old one."""
        kwargs["form"] = EndForm if obj else self.add_form
        if obj is None:
            # The form's own fields are not the model's: leave the list to the form.
            kwargs["fields"] = self.add_form.Meta.fields
        form = super().get_form(request, obj, change=change, **kwargs)
        form.acting_user = request.user
        form.tenant = request.tenant
        return form

    def get_fields(self, request: AdminRequest, obj: Grant | None = None) -> list[str]:
        """Show what was granted, and let its end be changed."""
        return [*self.shown, "valid_until", "reason"] if obj else self.add_fields

    def get_readonly_fields(self, request: AdminRequest, obj: Grant | None = None) -> list[str]:
        """Keep what was granted."""
        return self.shown if obj else []

    def save_model(
        self, request: AdminRequest, obj: Grant, form: forms.ModelForm, change: bool
    ) -> None:
        """Invite the person where they are new, and give the grant."""
        if change:
            super().save_model(request, obj, form, change)
            return
        cleaned = form.cleaned_data
        user, _is_new = services.user_invite(
            email=cleaned["email"], name=cleaned["name"], acting_user=request.user
        )
        grant = services.grant_add(user=user, terms=cleaned["terms"], acting_user=request.user)
        obj.pk = grant.pk
        obj.refresh_from_db()
        if not user.has_usable_password():
            send_password_link(request=request, user=user)

    def log_addition(self, request: AdminRequest, obj: Grant, message: Any) -> None:
        """Leave the record to the service."""

    @admin.display(description=_("person"), ordering="user__email")
    def person(self, grant: Grant) -> str:
        """Name the holder."""
        return f"{grant.user.name} · {grant.user.email}" if grant.user.name else grant.user.email

    @admin.display(description=_("place"), ordering="place_name")
    def place(self, grant: Grant) -> str:
        """Name the place, or the group or provider as a whole."""
        whole = grant.tenant or grant.provider
        return grant.place_name or (whole.name if whole else str(_("Platform")))

    @admin.display(description=_("holds"), boolean=True)
    def holds(self, grant: Grant) -> bool:
        """Tell whether the grant's own term holds now."""
        now = timezone.now()
        return grant.valid_from <= now and (grant.valid_until is None or grant.valid_until > now)

    @admin.action(description=_("End now"), permissions=["change"])
    def end_now(self, request: AdminRequest, queryset: QuerySet[Grant]) -> None:
        """End the chosen grants; their holders' next request finds no access."""
        ended = 0
        for grant in queryset:
            try:
                services.grant_end(grant=grant, acting_user=request.user)
                ended += 1
            except GrantRefused as refusal:
                messages.warning(request, f"{grant}: {refusal}")
        self.message_user(
            request,
            ngettext("%d grant was ended.", "%d grants were ended.", ended) % ended,
            messages.SUCCESS if ended else messages.INFO,
        )


@admin.register(Grant, site=platform_site)
class PlatformGrantAdmin(GrantAdmin):
    """Give grants on the platform, at providers, and the first ones inside a group."""

    add_form = PlatformGrantForm
    add_fields = [
        "email",
        "name",
        "role",
        "tenant",
        "place_code",
        "provider",
        "engagement",
        "valid_from",
        "valid_until",
        "reason",
    ]
    shown = ["person", "role", "tenant", "place", "provider", "engagement", "valid_from"]
    list_filter = [HoldsFilter, "role", "tenant"]


@admin.register(Grant, site=group_site)
class GroupGrantAdmin(GrantAdmin):
    """Let a HQ admin give and end the grants of the own group."""

    add_form = GroupGrantForm
    add_fields = [
        "email",
        "name",
        "role",
        "place",
        "engagement",
        "valid_from",
        "valid_until",
        "reason",
    ]
    list_filter = [HoldsFilter, "role"]

    def get_queryset(self, request: AdminRequest) -> QuerySet[Grant]:
        """Return the grants at this group."""
        return super().get_queryset(request).filter(tenant=request.tenant)
