"""What runs in such a process: each file has a function ``answer(data, question)``. Nobody imports them."""
