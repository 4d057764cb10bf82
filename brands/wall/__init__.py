"""The sharing wall: who may see which member data, enforced in the database.

visibility says what may be seen, scope opens it for one transaction, policies writes it into
PostgreSQL, models and querysets refuse to be read without it, middleware opens it for a request,
checks compares the database with what is declared here.
"""
