"""What the app role may do with a table outside the wall."""

READ_ONLY = "SELECT"
APPEND_ONLY = "SELECT, INSERT"
READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
# Walled rows name it without a constraint, so a deletion would leave them to nobody.
KEPT = "SELECT, INSERT, UPDATE"
OWNER_ONLY = ""

# Whose scope the app role writes such a table in, where not in every: named as `app_writer`. All
# of the group read it, and it is read before any scope is open.
HQ = "hq"
HQ_OR_BRAND = "hq_or_brand"
