"""Losses that shape a space of embeddings. `loss` makes one from `settings`; `settings` imports no tensor library.

Every loss takes (n, d) raw embeddings and (n,) labels and returns a `LossValue`. Sides, angles and margins are those of
the unit sphere unless a loss says otherwise: templates are compared there.
"""
