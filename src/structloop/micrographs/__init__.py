"""One exposure, judged: its movie's motion, its CTF, its ice. What it says of holes and grids is decided above."""
