"""Training on a folder of people: crops, training, and a calibrated model card."""
