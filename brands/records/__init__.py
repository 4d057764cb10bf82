"""The sharing record: who shared what with whom, on which basis, since when (PIPL art. 21–23, 54).

lines works it out from the decisions, content puts a record together, services issue it.
"""
