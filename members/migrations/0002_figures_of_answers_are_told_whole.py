"""Drop the merged figures of answers and the smallest cells of strata: nobody is told parts."""

from django.db import migrations, models

# They compare the columns that go. Without a policy the tables show the app role no row; the wall
# is written anew once all migrations are through.
_POLICIES = "".join(
    f"DROP POLICY IF EXISTS {policy} ON members_{table};"
    for table in ("answermetric", "stratummetric")
    for policy in ("sluice_read", "sluice_read_whole", "sluice_look")
)


class Migration(migrations.Migration):
    dependencies = [("members", "0001_initial")]

    operations = [
        migrations.RunSQL(_POLICIES, migrations.RunSQL.noop),
        migrations.RunSQL(
            "DELETE FROM members_answermetric WHERE is_merged", migrations.RunSQL.noop
        ),
        migrations.RemoveConstraint(model_name="answermetric", name="members_answermetric_once"),
        migrations.RemoveField(model_name="answermetric", name="is_merged"),
        migrations.RemoveField(model_name="answermetric", name="smallest_count"),
        migrations.RemoveField(model_name="stratummetric", name="smallest_count"),
        migrations.AlterField(
            model_name="answermetric",
            name="state",
            field=models.CharField(
                choices=[
                    ("given", "Agrees"),
                    ("withdrawn", "Said no"),
                    ("expired", "The yes has expired"),
                    ("minor", "Under 14, a guardian has to answer"),
                    ("never", "Has not answered"),
                ],
                max_length=9,
                verbose_name="standing",
            ),
        ),
        migrations.AddConstraint(
            model_name="answermetric",
            constraint=models.UniqueConstraint(
                fields=("brand", "day", "state", "answered_notice"),
                name="members_answermetric_once",
                nulls_distinct=False,
            ),
        ),
    ]
