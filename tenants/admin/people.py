"""People with a login."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.forms import ModelForm
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import TabularInline

from tenants import services
from tenants.accounts import send_password_link
from tenants.admin_base import AuditedAdmin
from tenants.models import Grant, User
from tenants.requests import AdminRequest
from tenants.sites import platform_site


class UserForm(ModelForm):
    """Take an address in one spelling, whoever writes it in which case."""

    class Meta:
        model = User
        fields = ["email", "name", "language", "is_active"]

    def clean_email(self) -> str:
        """Refuse an address that a login has already, in whatever case."""
        email = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("A person with this address has a login already."))
        return email


class GrantInline(TabularInline):
    """Show what a person holds; grants are given and ended on their own page."""

    model = Grant
    fk_name = "user"
    fields = ["role", "tenant", "place_name", "engagement", "valid_from", "valid_until"]
    readonly_fields = fields
    extra = 0
    can_delete = False
    tab = True
    show_change_link = True

    def has_add_permission(self, request: AdminRequest, obj: Any = None) -> bool:
        """Refuse: a grant is given on its own page."""
        return False

    def has_change_permission(self, request: AdminRequest, obj: Any = None) -> bool:
        """Refuse: a grant is ended on its own page."""
        return False


@admin.register(User, site=platform_site)
class UserAdmin(AuditedAdmin):
    """Invite people and switch them off; a password is set by its owner only."""

    never_deleted = True
    form = UserForm
    list_display = ["email", "name", "is_active", "grant_count", "second_factor", "last_login"]
    list_filter = ["is_active", "language"]
    search_fields = ["email", "name"]
    fields = ["email", "name", "language", "is_active"]
    actions = ["send_link"]
    inlines = [GrantInline]

    def get_queryset(self, request: AdminRequest) -> QuerySet[User]:
        """Add how many grants hold now."""
        now = timezone.now()
        holds = Q(grants__valid_from__lte=now) & (
            Q(grants__valid_until=None) | Q(grants__valid_until__gt=now)
        )
        return (
            super()
            .get_queryset(request)
            .annotate(
                held=Count("grants", filter=holds, distinct=True),
                has_app=Exists(
                    Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
                ),
            )
        )

    def get_fields(self, request: AdminRequest, obj: User | None = None) -> list[str]:
        """Leave the switch out when inviting: an invited person is active."""
        return self.fields if obj else ["email", "name", "language"]

    def get_inlines(self, request: AdminRequest, obj: User | None) -> list[Any]:
        """Show grants once there is someone to hold them."""
        return self.inlines if obj else []

    def save_model(self, request: AdminRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Invite a new person by e-mail; keep one's own switch on."""
        if not change:
            user, _is_new = services.user_invite(
                email=obj.email, name=obj.name, language=obj.language, acting_user=request.user
            )
            obj.pk = user.pk
            obj.refresh_from_db()
            send_password_link(request=request, user=user)
            return
        if obj.pk == request.user.pk and not obj.is_active:
            obj.is_active = True
            messages.warning(request, _("You cannot switch yourself off. Your login stays on."))
        super().save_model(request, obj, form, change)
        # An address given up must not bring a password link any more.
        EmailAddress.objects.filter(user=obj).exclude(email__iexact=obj.email).delete()

    def log_addition(self, request: AdminRequest, obj: User, message: Any) -> None:
        """Leave the record to the invitation itself."""

    @admin.display(description=_("grants"), ordering="held")
    def grant_count(self, user: Any) -> int:
        """Return how many grants hold now."""
        return user.held

    @admin.display(description=_("second factor"), boolean=True)
    def second_factor(self, user: Any) -> bool:
        """Tell whether an authenticator app is set up."""
        return user.has_app

    @admin.action(description=_("Send a link to set a password"), permissions=["change"])
    def send_link(self, request: AdminRequest, queryset: QuerySet[User]) -> None:
        """Send each chosen person an e-mail with a password link."""
        people = list(queryset.filter(is_active=True))
        for user in people:
            send_password_link(request=request, user=user)
        self.message_user(
            request,
            ngettext("%d link was sent.", "%d links were sent.", len(people)) % len(people),
            messages.SUCCESS,
        )
