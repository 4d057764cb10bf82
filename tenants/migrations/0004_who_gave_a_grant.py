import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0003_audit_chain"),
    ]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="given_at",
            field=models.DateTimeField(auto_now_add=True, null=True, verbose_name="at"),
        ),
        migrations.AddField(
            model_name="grant",
            name="given_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="grants_given",
                to=settings.AUTH_USER_MODEL,
                verbose_name="by",
            ),
        ),
    ]
