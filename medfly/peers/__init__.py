"""Other people's models, asked the same questions about the same pictures as MedFly's own.

A peer has a name, a hash, and `answer(samples) -> answers` in their order, one question at a time. The package knows
no data set and no score, and nothing of how a peer works inside: neither evidence nor zoom levels.
"""
