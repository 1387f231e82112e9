"""What a model costs, layer by layer, before and beside what a device says."""
