"""Keep answers out of times that Python cannot read back."""

import datetime as dt

from django.db import migrations, models
from django.db.models import Q

TIMES = (dt.datetime(1899, 12, 31, tzinfo=dt.UTC), dt.datetime(2101, 1, 2, tzinfo=dt.UTC))
ROWS = (
    ("consent", "answered_at"),
    ("consententry", "answered_at"),
    ("groupconsententry", "answered_at"),
    ("objection", "made_at"),
)


def _brought_in(table: str, column: str) -> str:
    """Return SQL that brings what stands before or after those times to their edge."""
    low, high = (f"'{time.isoformat()}'::timestamptz" for time in TIMES)
    return (
        f"UPDATE members_{table} SET {column} = least(greatest({column}, {low}), {high}) "  # noqa: S608
        f"WHERE {column} NOT BETWEEN {low} AND {high}"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("brands", "0007_sharing_records"),
        ("members", "0007_find_minors"),
    ]

    operations = [
        *(
            migrations.RunSQL(_brought_in(table, column), migrations.RunSQL.noop)
            for table, column in ROWS
        ),
        *(
            migrations.AddConstraint(
                model_name=table,
                constraint=models.CheckConstraint(
                    condition=Q((f"{column}__range", TIMES)),
                    name=f"members_{table}_in_our_time",
                ),
            )
            for table, column in ROWS
        ),
    ]
