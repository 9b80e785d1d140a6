"""Accuracy on image files: data set, preprocessing, evaluation."""
