"""The parts of lab_omniglot: drawings, episodes, training, findings and the figure."""
