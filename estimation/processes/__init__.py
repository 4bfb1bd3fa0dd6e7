"""What makes synthetic data: graphs, mechanisms of the latents, decoders, and the published recipe."""
