"""Persons that brands share: counted, kept, and shown without giving a small number away."""
