"""Batches by API: read line by line, kept in a sealed inbox, applied by a worker in sets."""
