"""Kill what runs at seeded points inside a piece of work, restart it, and check that nothing broke.

One file for what runs and is killed (`site`), one for what a group then holds (`state`), one for
each piece of work (`imports`), and the worker's own part, which knows the number of each statement
(`worker`).
"""
