"""The API of members, version 1: what a program reads and hands in under its token's grant."""
