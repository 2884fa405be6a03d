"""SPEM's penalty of 0.1 sum(p ** 2) in the loss, as the weight decay that it is: 0.2 beside the usual 1e-4."""

paramwise_cfg = dict(custom_keys={'.attn.p': dict(decay_mult=2001)})
