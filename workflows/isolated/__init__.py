"""Libraries that read what strangers sent, each time in a process that ends with it.

They trust what they read: it may have them compute for hours, take all memory, or end their process. See docs/decisions/0013.
"""
