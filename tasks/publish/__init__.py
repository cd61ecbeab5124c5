"""Publish: what was written is read back, balanced and committed as a version, and can be verified ever after.

In each module one question: what is this content called (`digest`), under which contract was it made (`contract`), do
the books balance (`balance`, of what `written` reads), who is the next version (`commit`), and is a published one
still true (`verify`, which `recount` helps). Does not belong here: how files reach the disk (tasks/store).
"""
