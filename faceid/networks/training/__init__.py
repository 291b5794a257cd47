"""Training of networks: crops and numbers of identities in, weights out. Knows no person and no photo.

`settings` imports no tensor library. `trainer.run` is the way in.
"""
