"""Keep an uploaded file until its rows are imported."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile


def keep_upload(upload: UploadedFile, schema_name: str) -> Path:
    """Write an upload into the group's folder, readable by this account only; return its path."""
    folder = Path(settings.MEDIA_ROOT) / "imports" / schema_name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(16)}.csv"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for block in upload.chunks():
            file.write(block)
    return path
