"""English: a clock of 24 hours in the admin's tables too, as `brands.formatting` writes it."""

DATETIME_FORMAT = "N j, Y H:i"
TIME_FORMAT = "H:i"
