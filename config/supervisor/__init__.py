"""``manage.py up``: one process that starts Segue's programs in one folder, watches them and stops them.

Nothing in here imports Django: the supervisor stays small, and holds no database open while others start.
"""
