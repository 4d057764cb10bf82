"""What the app role may do with a table outside the wall."""

READ_ONLY = "SELECT"
APPEND_ONLY = "SELECT, INSERT"
READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
# Walled rows name it without a constraint, so a deletion would leave them to nobody.
KEPT = "SELECT, INSERT, UPDATE"
OWNER_ONLY = ""
