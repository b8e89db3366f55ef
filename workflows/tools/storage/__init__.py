"""The tools ``storage.read``, ``storage.write``, ``storage.list`` and ``storage.delete``."""
