"""What the tests of pages share: one object of every sort, and a client of every role."""

from config.tests.test_urls_matrix import enter, objects

__all__ = ["enter", "objects"]
