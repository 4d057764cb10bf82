"""A machine that changes a group at random and holds every viewer's reads to the oracles.

Steps go through the product's own services: imports, orders, answers, notices, grants, changes of
mode alone and by two people, rules of strata, brands that join and leave, the clock. After each
step one viewer reads through plain SQL as the app role, through the ORM, through pages and through
the API; in turns through an exported file, as HQ that looks as another role, and the strata. What
they get is compared with the table's oracle (`brands.tests.oracle`), fed with the notices that the
consents' oracle (`members.tests.consent_oracle`) gives each member, and with the strata's
(`config.tests.fuzz.strata`). None of them shares code with the product.

A *read* is one row, one viewer, one way: decided by the oracle and compared with what came out.
"""
