"""Losses: classification, contrastive, and the objective that joins them."""
