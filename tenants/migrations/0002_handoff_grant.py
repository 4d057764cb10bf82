import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0001_initial"),
    ]

    operations = [
        # A hand-off lives for 30 seconds; none needs to survive this.
        migrations.RunSQL("DELETE FROM tenants_handoff", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="handoff",
            name="grant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, to="tenants.grant"
            ),
        ),
    ]
