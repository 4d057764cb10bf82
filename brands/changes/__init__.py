"""The change of mode as a process: draft, preview, assessment, approval, follow-up, rollback."""
