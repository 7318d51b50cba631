"""Deep linear chains with weight decay: modes, blocks, verdicts for any L and K."""
