"""Measures beside a peer and a physical limit, in one run on the same rows: only ratios judge."""
