from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0002_audit_names_brands"),
    ]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="begun_as",
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="brands",
            field=models.JSONField(blank=True, default=dict, verbose_name="brands"),
        ),
    ]
