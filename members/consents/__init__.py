"""The consent ledger: answers and objections as they come in, and what they open and close."""
