"""Reading what other programs trained: LoRA adapters in PEFT's format, and layer names of other library versions."""
