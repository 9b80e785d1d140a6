"""The published folder of a model that triport knows: its accuracy, its classes, how images are prepared."""
