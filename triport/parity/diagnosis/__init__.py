"""Why two files give other results: weights, graph, precision, preprocessing, classes, in that order."""
