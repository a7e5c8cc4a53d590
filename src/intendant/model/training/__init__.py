"""How the planner's model is made: sentences, samples, training, export, scores."""
