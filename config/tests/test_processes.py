"""Each job runs in a process that holds the credentials it may have, and no others."""

from __future__ import annotations

from config import serving
from config.celery import app

# Work inside a viewer's scope; all other work is the owner role's.
SCOPED = {"members.run_export", "members.resume_exports", "members.sweep_exports"}


def test_every_job_has_a_worker_with_its_credentials_and_no_others():
    app.autodiscover_tasks(force=True)
    listening = {}
    for child in serving.children(8000):
        for word in map(str, child.command):
            if word.startswith("--queues="):
                for queue in word.removeprefix("--queues=").split(","):
                    assert queue not in listening, "two sorts of workers would share a queue"
                    listening[queue] = child.env["SLUICE_PROCESS"]
    assert listening == {"bulk": "bulk", "scoped": "scoped"}
    own = {name for name in app.tasks if not name.startswith("celery.")}
    assert own > SCOPED
    for name in own:
        queue = app.amqp.router.route({}, name)["queue"].name
        assert listening[queue] == ("scoped" if name in SCOPED else "bulk"), name
