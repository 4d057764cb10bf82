"""Keys of the platform and of a group: changed, lost, wrong, damaged."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction

from brands.models import Brand
from brands.wall import scope
from members import contacts, key_checks, rotation
from members.consents.entries import answer_enter
from members.exports.services import export_create
from members.identity.keyed import Keyed
from members.imports.acts import import_undo, job_run
from members.imports.ahead import PreparedChunk
from members.imports.files import Chunk
from members.imports.members import MemberChunks
from members.intake.inbox import batch_take
from members.keys import KeysUnopened, group_keys, seed_group
from members.models import Contact, ExportJob, GroupKey, Identity, ImportJob, Profile
from members.rights.requests import copy_fetch, request_enter
from members.rights.work import rights_run
from members.tests.pools import fill
from tenants import audit_chain
from tenants.context import tenant_transaction
from tenants.models import AuditEvent
from tenants.provisioning import tenant_models

# What else is bytes in a group's schema, and why nothing of it is sealed.
_NOT_SEALED = {
    "members.ConsentEntry.identity_key": "key of an identifier",
    "members.GroupConsentEntry.identity_key": "key of an identifier",
    "members.Contact.fingerprint": "HMAC",
    "members.Contact.phone_key": "key of an identifier",
    "members.Contact.email_key": "key of an identifier",
    "members.Contact.card_key": "key of an identifier",
    "members.Contact.likeness": "digest of a name and birthday under the index key",
    "members.Contact.unionid_key": "key of an identifier",
    "members.GroupKey.wrapped": "wrapped by the master key",
    "members.Identity.key": "key of an identifier",
    "members.PlatformKey.key": "key of an identifier",
    "members.IntakeBatch.digest": "SHA-256 of a batch",
    "members.ErasedIdentifier.digest": "HMAC under a key of its own",
    "members.ConsentEvidence.subject": "digest of a certificate's number",
}


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _names(tenant) -> list[str]:
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        keys = group_keys()
        rows = Contact.objects.order_by("pk")
        return [contacts.unseal(keys, row).get("name", "") for row in rows]


def _versions(tenant) -> set[int]:
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        return {contacts.sealed_version(bytes(row.sealed)) for row in Contact.objects.all()}


@pytest.fixture
def keys_of(acme) -> Callable[[], list[tuple[str, int]]]:
    """Return a function: the purposes and versions of acme's keys."""

    def read() -> list[tuple[str, int]]:
        with tenant_transaction(acme):
            rows = GroupKey.objects.exclude(purpose="gone").order_by("purpose", "version")
            return list(rows.values_list("purpose", "version"))

    return read


def test_everything_of_bytes_is_sealed_anew_or_says_why_not():
    found = {
        f"{model._meta.label}.{field.name}"
        for model in tenant_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField)
    }
    sealed = {f"{label}.{name}" for label, names in rotation.SEALED.items() for name in names}
    assert found - set(_NOT_SEALED) == sealed, "name it in members.rotation.SEALED, or here"
    assert all(apps.get_model(label)._meta.pk.column for label in rotation.SEALED)


def test_a_data_key_is_changed_in_steps_that_may_be_killed(acme, settings, monkeypatch, keys_of):
    settings.KEY_GRACE_SECONDS = 0
    fill(acme, "tea", members=7)
    before = _names(acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        filters = contacts.seal_text(group_keys(), '{"q": "13800000001"}')
        export = ExportJob.objects.create(grant_id=1, created_by_id=1, filters=filters)
        rotation.rotation_ask(acting_user=None)
        with pytest.raises(rotation.RotationRefused, match="already"):
            rotation.rotation_ask(acting_user=None)
    # Killed in the middle of a chunk, after three rows were committed.
    seal, left = contacts.seal_text, [3 + 1]

    def dying(keys, text):
        left[0] -= 1
        if left[0] < 0:
            raise SystemExit
        return seal(keys, text)

    monkeypatch.setattr(contacts, "seal_text", dying)
    with pytest.raises(SystemExit):
        rotation.rotation_run(tenant=acme, chunk_rows=3)
    monkeypatch.setattr(contacts, "seal_text", seal)
    assert _versions(acme) == {1, 2}
    assert _names(acme) == before
    assert keys_of() == [("data", 1), ("data", 2), ("index", 1)]
    done = rotation.rotation_run(tenant=acme, chunk_rows=3)
    assert (done.state, done.rows, done.retired, done.error) == ("done", 8, 1, "")
    assert _versions(acme) == {2}
    assert _names(acme) == before
    assert keys_of() == [("data", 2), ("index", 1)]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert set(Contact.objects.values_list("key_version", flat=True)) == {2}
        sealed = bytes(ExportJob.objects.get(pk=export.pk).filters)
        assert contacts.open_sealed(group_keys(), sealed) == {"q": "13800000001"}
    assert rotation.rotation_run(tenant=acme) is None
    events = AuditEvent.objects.filter(tenant=acme, action__startswith="key.")
    assert sorted(events.values_list("action", flat=True)) == ["key.retire", "key.rotate"]


def test_a_former_key_stays_while_somebody_may_seal_with_it(acme, settings, keys_of):
    fill(acme, "tea", members=3)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        stale = group_keys()
        rotation.rotation_ask(acting_user=None)
    waiting = rotation.rotation_run(tenant=acme)
    assert (waiting.state, waiting.place) == ("running", "retire")
    settings.KEY_GRACE_SECONDS = 0
    with tenant_transaction(acme), scope.bulk(reason="test"):
        brand = Profile.objects.first().brand
        job = ImportJob.objects.create(
            brand=brand, kind="members", path="x", state="running", started_at="2026-01-01T00:00Z"
        )
    assert rotation.rotation_run(tenant=acme).state == "running"
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ImportJob.objects.filter(pk=job.pk).update(state="done")
        # What the import sealed meanwhile, with the key that it began with.
        row = Contact.objects.first()
        row.sealed = contacts.seal(stale, {"name": "Late"})
        row.save()
    assert keys_of()[0] == ("data", 1)
    first = rotation.rotation_run(tenant=acme)
    done = first if first.state == "done" else rotation.rotation_run(tenant=acme)
    while done.is_open:
        done = rotation.rotation_run(tenant=acme)
    assert keys_of() == [("data", 2), ("index", 1)]
    assert "Late" in _names(acme)


def test_a_damaged_row_is_kept_with_the_key_that_sealed_it(acme, settings, keys_of):
    settings.KEY_GRACE_SECONDS = 0
    fill(acme, "tea", members=3)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        row = Contact.objects.order_by("pk").first()
        damaged = bytes(row.sealed)[:-1] + b"\0"
        Contact.objects.filter(pk=row.pk).update(sealed=damaged)
        rotation.rotation_ask(acting_user=None)
    done = rotation.rotation_run(tenant=acme)
    assert (done.state, done.unopened, done.retired, done.rows) == ("done", 1, 0, 2)
    assert "Some rows could not be opened" in done.error
    assert keys_of()[:2] == [("data", 1), ("data", 2)]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert bytes(Contact.objects.get(pk=row.pk).sealed) == damaged


def test_the_index_key_is_changed_with_all_that_it_keys_or_nothing_is(acme, load, keys_of):
    load("members", "member_no,name,phone,email\nT1,A,13800000001,a@example.com\nT2,B,13800000002,")
    load("members", "member_no,name,phone\nB1,A,13800000001", brand="bakery")
    changed = load("members", "member_no,name,phone\nT2,Bea,13800000003,")

    def read() -> tuple[list, list]:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            persons = Profile.objects.order_by("member_no").values_list("member_no", "person_id")
            return list(persons), sorted(bytes(one.key) for one in Identity.objects.all())

    persons, former = read()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        stranger = Identity.objects.create(kind="phone", key=b"x" * 16)
    with pytest.raises(CommandError, match="1 phone. Nothing was changed"):
        call_command("rotate_group_keys", "acme", "--index", stdout=StringIO())
    assert read()[1] == sorted([*former, b"x" * 16])
    with tenant_transaction(acme), scope.bulk(reason="test"):
        stranger.delete()
        job = ImportJob.objects.create(
            brand_id=Profile.objects.first().brand_id, kind="members", path="x", state="running"
        )
    with pytest.raises(CommandError, match="An import of this group is running"):
        call_command("rotate_group_keys", "acme", "--index", stdout=StringIO())
    with tenant_transaction(acme), scope.bulk(reason="test"):
        job.delete()
    call_command("rotate_group_keys", "acme", "--index", stdout=StringIO())
    after, keyed = read()
    assert after == persons
    assert len(keyed) == len(former)
    assert not set(keyed) & set(former)
    assert keys_of() == [("data", 1), ("index", 2)]
    # The same file changes nothing: fingerprints and keys are the new key's.
    again = load("members", "member_no,name,phone\nB1,A,13800000001", brand="bakery")
    assert (again.rows_unchanged, read()) == (1, (persons, keyed))
    # An import of before is taken back as if nothing had happened.
    with tenant_transaction(acme), scope.bulk(reason="test"):
        undoing = import_undo(job=changed, acting_user=None)
    undoing = job_run(tenant=acme, job_id=undoing.pk)
    assert (undoing.report["restored"], undoing.report["kept"]) == (1, {})
    with tenant_transaction(acme), scope.bulk(reason="test"):
        keys = Keyed(group_keys()).found_by("13800000002")["phone_key"]
        assert Contact.objects.get(phone_key__in=keys).profile.member_no == "T2"


# --- The master key -------------------------------------------------------------------------


def test_a_master_key_is_changed_in_one_pass_and_the_audit_stays_whole(acme, globex, settings):
    fill(acme, "tea", members=2)
    names, former = _names(acme), settings.MASTER_KEY
    settings.MASTER_KEY, settings.FORMER_MASTER_KEYS = _key(), [former]
    assert _names(acme) == names
    # One group's row was damaged: the others go on, and this one is named.
    with tenant_transaction(globex):
        row = GroupKey.objects.get(purpose="data")
        kept, row.wrapped = bytes(row.wrapped), b"damaged" * 9
        row.save()
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="globex"):
        call_command("rotate_master_key", stdout=out, stderr=err)
    assert "acme: 3 keys wrapped anew" in out.getvalue()
    with tenant_transaction(globex):
        assert bytes(GroupKey.objects.get(purpose="data").wrapped) == b"damaged" * 9
        GroupKey.objects.filter(purpose="data").update(wrapped=kept)
    out = StringIO()
    call_command("rotate_master_key", stdout=out)
    assert "acme: done before" in out.getvalue()
    assert "globex: 3 keys wrapped anew" in out.getvalue()
    assert audit_chain.verify(acme.pk).is_whole
    # The former key opens nothing any more, the new one everything.
    settings.FORMER_MASTER_KEYS = []
    assert _names(acme) == names
    assert key_checks.unopened()[1] == {}
    settings.MASTER_KEY = former
    assert set(key_checks.unopened()[1]) == {"acme", "globex"}


def test_a_key_from_a_file_wraps_what_the_settings_open(acme, settings, tmp_path):
    new, file = _key(), tmp_path / "new"
    file.write_text(new + "\n")
    call_command("rotate_master_key", new_key_file=file, stdout=StringIO())
    assert set(key_checks.unopened()[1]) == {"acme", "globex"}
    settings.MASTER_KEY = new
    assert key_checks.unopened()[1] == {}
    file.write_text(new[:20])
    with pytest.raises(CommandError, match="Nothing was done"):
        call_command("rotate_master_key", new_key_file=file, stdout=StringIO())


@pytest.mark.parametrize("wrong", ["another", "cut off", "no key"])
def test_under_a_wrong_key_nothing_starts_and_nothing_is_sealed(acme, settings, load, wrong):
    fill(acme, "tea", members=1)
    right = settings.MASTER_KEY
    settings.MASTER_KEY = {"another": _key(), "cut off": right[:-4], "no key": ""}[wrong]
    with pytest.raises(SystemExit, match="Nothing was started, and nothing was changed"):
        key_checks.refuse_wrong_key()
    assert key_checks.every_groups_keys_open(None, databases=["default"])
    with pytest.raises(ImproperlyConfigured), tenant_transaction(acme):
        group_keys()
    with pytest.raises(ImproperlyConfigured):
        load("members", "member_no,phone\nT9,13800000009")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.filter(member_no="T9").exists()
    settings.MASTER_KEY = right
    key_checks.refuse_wrong_key()
    assert key_checks.every_groups_keys_open(None, databases=["default"]) == []
    assert load("members", "member_no,phone\nT9,13800000009").rows_created == 1


@pytest.mark.parametrize("damage", ["a key is gone", "a key is cut off"])
def test_one_group_with_damaged_keys_is_named_and_the_other_goes_on(acme, globex, damage, caplog):
    with tenant_transaction(globex):
        row = GroupKey.objects.filter(purpose="data")
        if damage == "a key is gone":
            row.delete()
        else:
            row.update(wrapped=b"short")
    assert list(key_checks.unopened()[1]) == ["globex"]
    key_checks.refuse_wrong_key()
    assert "the keys of globex cannot be opened" in caplog.text
    with pytest.raises(KeysUnopened, match="“globex”"), tenant_transaction(globex):
        group_keys()
    (found,) = key_checks.every_groups_keys_open(None, databases=["default"])
    assert found.obj == "globex"
    fill(acme, "tea", members=1)
    assert _names(acme) == ["Person Number1"]


class _Transit(BaseHTTPRequestHandler):
    """Answer as Vault's transit engine does, under keys of this process."""

    version = 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, data = 400, {}
        if self.headers["X-Vault-Token"] != "s.token":
            status = 403
        elif self.path == "/v1/transit/encrypt/sluice":
            status = 200
            mixed = base64.b64encode(f"{body['plaintext']} {body['associated_data']}".encode())
            data = {"ciphertext": f"vault:v{self.version}:{mixed.decode()}"}
        elif body["ciphertext"].startswith("vault:v"):
            mixed = base64.b64decode(body["ciphertext"].split(":")[2]).decode()
            plain, place = mixed.split(" ")
            if place == body["associated_data"]:
                status, data = 200, {"plaintext": plain}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"data": data}).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def vault(settings) -> Iterator[type[_Transit]]:
    """Serve Vault's transit engine on a port of its own, and name it in the settings."""
    server = HTTPServer(("127.0.0.1", 0), _Transit)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    settings.VAULT_ADDR = f"http://127.0.0.1:{server.server_port}"
    settings.VAULT_TOKEN = "s.token"
    yield _Transit
    _Transit.version = 1
    server.shutdown()
    server.server_close()


def test_a_master_key_in_vault_wraps_opens_and_is_rotated(acme, settings, vault, keys_of):
    settings.MASTER_KEY_PROVIDER = "tenants.vault_key.VaultTransitKey"
    with tenant_transaction(acme):
        # Made under the environment's key: Vault opens none of it, and says so.
        with pytest.raises(KeysUnopened):
            group_keys()
        GroupKey.objects.all().delete()
        seed_group(acme)
        made = group_keys()
        assert {bytes(row.wrapped)[:9] for row in GroupKey.objects.all()} == {b"vault:v1:"}
        assert contacts.open_sealed(made, contacts.seal(made, {"name": "A"})) == {"name": "A"}
    vault.version = 2
    with pytest.raises(CommandError, match="globex"):
        call_command("rotate_master_key", stdout=StringIO(), stderr=StringIO())
    with tenant_transaction(acme):
        assert {bytes(row.wrapped)[:9] for row in GroupKey.objects.all()} == {b"vault:v2:"}
        assert group_keys() == made
    settings.VAULT_TOKEN = "s.other"
    with pytest.raises(ImproperlyConfigured, match="403"):
        call_command("rotate_master_key", stdout=StringIO())


def _held(name: str) -> set[str]:
    """Return how this transaction holds one of the group's locks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.mode FROM pg_locks l, hashtextextended(%s, 0) AS h WHERE l.granted "
            "AND l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objsubid = 1 "
            "AND (l.classid::bigint << 32 | l.objid::bigint) = h",
            [f"sluice:acme:{name}"],
        )
        return {mode for (mode,) in cursor.fetchall()}


def test_no_row_is_sealed_with_a_key_that_was_changed_meanwhile(
    acme, settings, monkeypatch, keys_of
):
    """What was prepared before a change is prepared anew once the writer holds the answers."""
    settings.KEY_GRACE_SECONDS = 0
    fill(acme, "tea", members=1)
    rows = Chunk(lines=[2, 3], rows=[["T1", "Ann"], ["TEA-1", "Bo"]])
    with tenant_transaction(acme), scope.bulk(reason="test"):
        job = ImportJob(brand=Brand.objects.get(code="tea"), mapping={})
        writer = MemberChunks(acme, job, {"member_no": 0, "name": 1})
        chunk = PreparedChunk(rows.lines, rows.rows, prepared=writer.prepare(rows))
        rotation.rotation_ask(acting_user=None)
    made, add = [], rotation.key_add

    def adding(**fields):
        made.append((_held("keys"), _held("answers")))
        return add(**fields)

    monkeypatch.setattr(rotation, "key_add", adding)
    assert rotation.rotation_run(tenant=acme).state == "done"
    assert all("ExclusiveLock" in held for (pair,) in [made] for held in pair)
    assert keys_of()[0] == ("data", 2)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert writer.write(chunk)[0].created == 1
    assert (_versions(acme), sorted(_names(acme))) == ({2}, ["Ann", "Bo"])


def test_who_seals_for_a_page_or_a_program_holds_a_change_of_keys_off(acme, seeing, cast):
    fill(acme, "tea", members=1)
    user = cast.brand_manager

    def hand_in(what: str, opened) -> object:
        said = {"visible": opened.visible, "acting_user": user}
        if what == "export":
            return export_create(filters={"q": "Ann"}, **said)
        if what == "batch":
            return batch_take(
                actions=["members:write"],
                grant_id=user.acting_grant.pk,
                key="one",
                body=b'{"type": "member", "member_no": "T1"}',
                tells_worker=False,
                **said,
            )
        if what == "answer":
            phone = ("phone", "13800000001")
            return answer_enter(what="no", identity=phone, tells_worker=False, **said)
        member = Profile.objects.get(member_no="TEA-1")
        right = {"name": "Cy"}
        return request_enter(
            profile=member, what="correction", through="store", right=right, **said
        )

    for what in ("export", "batch", "answer", "request"):
        with seeing(user) as opened:
            before = transaction.savepoint()
            assert _held("keys") == set()
            hand_in(what, opened)
            assert _held("keys") == {"ShareLock"}, what
            transaction.savepoint_rollback(before)


def test_a_copy_that_waits_is_sealed_anew(acme, settings, seeing, cast, keys_of):
    settings.KEY_GRACE_SECONDS = 0
    fill(acme, "tea", members=1)
    user = cast.brand_manager
    with seeing(user) as opened:
        member = Profile.objects.get(member_no="TEA-1")
        request = request_enter(
            visible=opened.visible,
            profile=member,
            what="export",
            through="store",
            checked="document",
            acting_user=user,
        )
    rights_run(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        rotation.rotation_ask(acting_user=None)
    assert rotation.rotation_run(tenant=acme).state == "done"
    assert keys_of()[0] == ("data", 2)
    with seeing(user):
        request.refresh_from_db()
        data = copy_fetch(request=request, acting_user=user, schema_name="acme")
        assert data.startswith(b"PK")
