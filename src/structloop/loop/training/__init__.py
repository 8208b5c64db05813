"""Training: fast heads on frozen features, and LoRA adapters by the AXIS recipe."""
