"""What runs in such a process: each file has a function ``answer(parts, question)``. The worker imports none of them."""
