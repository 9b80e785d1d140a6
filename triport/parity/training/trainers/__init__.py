"""Trains a model a step at a time: one file per framework, the same class in each."""
