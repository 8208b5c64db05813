"""Particle projects: a folder of micrographs, what people mark there, and what models pick."""
