"""What runs in such a process: each file has a function ``answer(parts, question)``, but for what several of them share.

The worker imports none of them.
"""
