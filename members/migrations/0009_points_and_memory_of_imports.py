from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("members", "0008_persons_joined_and_parted"),
    ]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="points",
            field=models.BigIntegerField(
                blank=True, db_default=None, null=True, verbose_name="points"
            ),
        ),
        migrations.AddField(
            model_name="importjob",
            name="peak_memory",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
