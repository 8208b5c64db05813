"""The loop: annotations, curation, datasets, training, evaluation, promotion. It knows no domain."""
