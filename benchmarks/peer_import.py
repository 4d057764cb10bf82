"""The peer of `import_members`: resources of django-import-export in bulk mode, one per table."""

from __future__ import annotations

import datetime as dt
import hmac
from pathlib import Path
from typing import Any

from django.utils import timezone
from import_export import fields, resources
from import_export.instance_loaders import CachedInstanceLoader
from import_export.widgets import ForeignKeyWidget
from tablib import Dataset

from brands.models import Notice, Store
from members import contacts
from members.keys import GroupKeys, group_keys
from members.models import (
    Consent,
    Contact,
    Identity,
    IdentityLink,
    MaskedContact,
    Person,
    Profile,
)

_CONTACT = ("name", "phone", "email", "unionid", "card_no", "birthday")
_KINDS = {"phone": "phone", "unionid": "unionid", "card_no": "card", "email": "email"}


class _Bulk:
    """Set every option that makes django-import-export fast."""

    use_bulk = True
    batch_size = 1000
    skip_diff = True
    skip_html_diff = True
    use_transactions = False


class MemberResource(resources.ModelResource):
    """Import profiles; each row's person is found by its identifiers, or made."""

    store = fields.Field("store_code", "store", ForeignKeyWidget(Store, "code"))

    class Meta(_Bulk):
        model = Profile
        instance_loader_class = CachedInstanceLoader
        import_id_fields = ("member_no",)
        fields = ("member_no", "gender", "store", "registered_on")

    def __init__(self, brand_id: int, keys: GroupKeys) -> None:
        super().__init__()
        self.brand_id, self.keys = brand_id, keys
        self.notices = {notice.version: notice for notice in Notice.objects.all()}

    def get_queryset(self) -> Any:
        """Look for members in their brand only."""
        return Profile.objects.filter(brand_id=self.brand_id)

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Validate the row's identifiers and find its person."""
        row["phone"] = contacts.normalise_phone(row["phone"]) if row["phone"] else ""
        row["email"] = contacts.normalise_email(row["email"]) if row["email"] else ""
        row["keys"] = {
            name: contacts.identity_key(self.keys, kind, row[name])
            for name, kind in _KINDS.items()
            if row[name]
        }
        found = Profile.objects.filter(identity_links__identity__key__in=row["keys"].values())
        person_id = found.order_by("person_id").values_list("person_id", flat=True).first()
        row["person"] = person_id or Person.objects.create().pk
        row["identities"] = [
            Identity.objects.get_or_create(kind=_KINDS[name], key=key)[0].pk
            for name, key in row["keys"].items()
        ]

    def before_save_instance(self, instance: Profile, row: dict[str, Any], **kwargs: Any) -> None:
        """Set what is not a column of the file."""
        instance.brand_id, instance.person_id = self.brand_id, row["person"]
        instance.notice = self.notices[row["consent"]] if row["consent"] else None
        instance.created_at = instance.updated_at = timezone.now()


class _OfProfile(resources.ModelResource):
    """Import rows that hang on a profile."""

    def __init__(self, brand_id: int, keys: GroupKeys, profiles: dict[str, Profile]) -> None:
        super().__init__()
        self.brand_id, self.keys, self.profiles = brand_id, keys, profiles

    def _walled(self, instance: Any, row: dict[str, Any]) -> None:
        profile = self.profiles[row["member_no"]]
        instance.profile = profile
        instance.brand_id, instance.store_id = self.brand_id, profile.store_id
        instance.notice_id = profile.notice_id


class ContactResource(_OfProfile):
    """Import sealed contacts."""

    class Meta(_Bulk):
        model = Contact
        # Every row is taken for a new one: the sample is imported once.
        force_init_instance = True
        import_id_fields = ()
        fields = ()

    def before_save_instance(self, instance: Contact, row: dict[str, Any], **kwargs: Any) -> None:
        """Seal the row's fields."""
        self._walled(instance, row)
        values = {name: row[name] for name in _CONTACT if row[name]}
        instance.sealed = contacts.seal(self.keys, values)
        instance.fingerprint = hmac.digest(self.keys.index, repr(values).encode(), "sha256")[:16]
        instance.is_generated = True
        for name, key in row["keys"].items():
            setattr(instance, f"{_KINDS[name]}_key", key)


class MaskedResource(_OfProfile):
    """Import masked contacts."""

    class Meta(_Bulk):
        model = MaskedContact
        # Every row is taken for a new one: the sample is imported once.
        force_init_instance = True
        import_id_fields = ()
        fields = ()

    def before_save_instance(
        self, instance: MaskedContact, row: dict[str, Any], **kwargs: Any
    ) -> None:
        """Mask the row's fields."""
        self._walled(instance, row)
        instance.name = contacts.mask_name(row["name"])
        instance.phone = contacts.mask_phone(row["phone"]) if row["phone"] else ""
        instance.email = contacts.mask_email(row["email"])


class ConsentResource(_OfProfile):
    """Import answers to the notice."""

    class Meta(_Bulk):
        model = Consent
        # Every row is taken for a new one: the sample is imported once.
        force_init_instance = True
        import_id_fields = ()
        fields = ()

    def skip_row(self, instance: Any, original: Any, row: Any, *args: Any, **kwargs: Any) -> bool:
        """Pass over members who did not answer."""
        return not row["consent"]

    def before_save_instance(self, instance: Consent, row: dict[str, Any], **kwargs: Any) -> None:
        """Set the answer."""
        self._walled(instance, row)
        instance.person_id = instance.profile.person_id
        instance.answered_notice_id = instance.notice_id
        instance.is_given = True
        instance.answered_at = dt.datetime.fromisoformat(row["consented_on"] + "T00:00:00+08:00")
        instance.created_at = timezone.now()


def import_file(path: Path, brand_id: int) -> None:
    """Import one brand's file into the current group."""
    keys = group_keys()
    rows: list[dict[str, Any]] = []
    dataset = Dataset().load(path.read_text(encoding="utf-8"), format="csv")

    class Members(MemberResource):
        def after_import_row(self, row: dict[str, Any], row_result: Any, **kwargs: Any) -> None:
            rows.append(row)

    Members(brand_id, keys).import_data(dataset, raise_errors=True)
    profiles = {profile.member_no: profile for profile in Profile.objects.filter(brand_id=brand_id)}
    assert len(profiles) == len(dataset), "the peer lost rows"
    found = Dataset(headers=list(rows[0]))
    for row in rows:
        found.append(tuple(row.values()))
    for resource in (ContactResource, MaskedResource, ConsentResource):
        resource(brand_id, keys, profiles).import_data(found, raise_errors=True)
    IdentityLink.objects.bulk_create(
        [
            IdentityLink(profile=profiles[row["member_no"]], identity_id=identity)
            for row in rows
            for identity in row["identities"]
        ],
        batch_size=1000,
    )
