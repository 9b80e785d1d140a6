"""Are two models equal? Runners, comparison, evaluation on images."""
