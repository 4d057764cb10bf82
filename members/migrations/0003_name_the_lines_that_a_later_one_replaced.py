from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("members", "0002_figures_of_answers_are_told_whole"),
    ]

    operations = [
        migrations.AddField(
            model_name="importjob",
            name="repeated_lines",
            field=models.JSONField(default=list, editable=False),
        ),
    ]
