"""Members and orders from files: staged by COPY, written set-based, in chunks that commit."""
