"""From a folder a person to a network of one's own: crops, training, a calibrated model card."""
