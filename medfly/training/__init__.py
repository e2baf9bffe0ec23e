"""Fine-tuning and training from scratch: packing, loss, augmentation, transformers' Trainer, recipes."""
