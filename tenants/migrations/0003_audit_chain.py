"""Chain the audit: events get a number and a seal, chains an end."""

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def chain(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Chain the events there are, in the order in which they were written."""
    from tenants import audit_chain

    head_model = apps.get_model("tenants", "AuditHead")
    key = audit_chain.chain_keys()[0]
    ends: dict[int, tuple[int, bytes]] = {}
    for event in apps.get_model("tenants", "AuditEvent").objects.order_by("id").iterator():
        of = event.tenant_id or audit_chain.PLATFORM
        number, before = ends.get(of, (0, b""))
        event.number = number + 1
        content = tuple(getattr(event, name) for name in audit_chain._SEALED)
        event.digest, event.key_id = key.event(of, event.number, before, content), key.id
        event.save(update_fields=["number", "digest", "key_id"])
        ends[of] = event.number, event.digest
    head_model.objects.bulk_create(
        head_model(
            chain=of, count=count, digest=last, seal=key.head(of, count, last), key_id=key.id
        )
        for of, (count, last) in ends.items()
    )


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_api_tokens")]

    operations = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("chain", models.BigIntegerField(primary_key=True, serialize=False)),
                ("count", models.BigIntegerField(default=0)),
                ("digest", models.BinaryField(default=b"", max_length=32)),
                ("seal", models.BinaryField(default=b"", max_length=32)),
                ("key_id", models.CharField(default="", max_length=8)),
            ],
        ),
        migrations.CreateModel(
            name="AuditCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "asked_by_name",
                    models.CharField(blank=True, max_length=120, verbose_name="asked by"),
                ),
                (
                    "asked_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="asked"),
                ),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Being checked"),
                            ("whole", "Whole"),
                            ("broken", "Does not fit"),
                        ],
                        default="asked",
                        max_length=8,
                        verbose_name="result",
                    ),
                ),
                ("events", models.BigIntegerField(default=0, verbose_name="events that fit")),
                ("fault", models.CharField(blank=True, max_length=20, verbose_name="fault")),
                (
                    "fault_number",
                    models.BigIntegerField(null=True, verbose_name="first event that does not fit"),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "check of the audit",
                "verbose_name_plural": "checks of the audit",
                "indexes": [
                    models.Index(fields=["tenant", "-id"], name="tenants_aud_tenant__check_idx")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "asked"), ("finished_at__isnull", False), _connector="OR"
                        ),
                        name="tenants_auditcheck_finished_has_a_time",
                    )
                ],
            },
        ),
        migrations.AddField(
            "auditevent",
            "number",
            models.BigIntegerField(null=True, verbose_name="number in the chain"),
        ),
        migrations.AddField(
            "auditevent",
            "digest",
            models.BinaryField(default=b"", max_length=32, verbose_name="seal"),
            preserve_default=False,
        ),
        migrations.AddField(
            "auditevent",
            "key_id",
            models.CharField(default="", max_length=8),
            preserve_default=False,
        ),
        migrations.RunPython(chain, migrations.RunPython.noop),
        migrations.AlterField(
            "auditevent", "number", models.BigIntegerField(verbose_name="number in the chain")
        ),
        migrations.AddConstraint(
            "auditevent",
            models.UniqueConstraint(
                fields=["tenant", "number"],
                nulls_distinct=False,
                name="tenants_auditevent_number_once_per_chain",
            ),
        ),
    ]
