"""Trained networks: cards, the registry that holds them, and the engines that run them."""
