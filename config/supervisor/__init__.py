"""``manage.py up``: one process that starts Segue's programs in one folder, watches them and stops them.

Nothing in here imports Django, except ``prepare``, which runs as a program of its own.
"""
