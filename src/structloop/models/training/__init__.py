"""Training networks: the part that needs torch. What is trained, on which items and what becomes of it is `loop`'s."""
