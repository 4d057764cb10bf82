"""Exports: member rows as a file, made by a job inside the asker's scope."""
