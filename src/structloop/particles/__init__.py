"""The picking application: coordinate files, judging picks, few-shot training, picking."""
