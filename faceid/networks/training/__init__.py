"""Training of networks, from crops and numbers of identities to weights. It handles no names and no photos.

`settings` imports no tensor library. `trainer.run` is the entry point.
"""
