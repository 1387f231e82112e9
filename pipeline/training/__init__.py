"""What a training is made of: its loop, learning rate, augmentation, checkpoint, transfer."""
